"""Scan a release for restricted texts, identifiers of the cohort, secrets, local paths and formats that it refuses.

A finding names the file, the kind and the place, never the content.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

from clinragen.audit.contents import Refused, read
from clinragen.audit.identifiers import Identifiers
from clinragen.audit.leaks import ADDRESS, SECRET, SERVER, Leaks
from clinragen.audit.overlap import LONGEST_STOCK_PHRASE, SPAN, Authored, Spans
from clinragen.runtime.progress import Progress

CITATION = "CITATION.cff"
# Rows in memory at a time: of identifiers, and of texts, which may be as long as a note.
IDENTIFIERS, TEXTS = 65_536, 1_024
STRINGS, LISTS = (pa.string(), pa.large_string()), (pa.ListType, pa.LargeListType)


@dataclass(frozen=True, order=True)
class Finding:
    """Restricted content in a file of the release."""

    file: str
    kind: str
    place: str

    def __str__(self) -> str:
        return f"{self.file}: {self.kind}, {self.place}"


@dataclass(frozen=True)
class Shared:
    """A file of the release by its name in the archive.

    `tracked` files are in git; `public` ones were made from public documents only, so no number in them is a patient's.
    """

    name: str
    data: bytes
    tracked: bool = False
    public: bool = False


@dataclass(frozen=True)
class Source:
    """A table of restricted data, and the tracked files from whose words it was made."""

    name: str
    path: Path
    made_of: frozenset[str] = frozenset()


@dataclass
class Scanned:
    """Result of a scan: blocking findings, remarks, and the numbers of restricted texts and identifiers."""

    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    texts: int = 0
    identifiers: int = 0


class Scan:
    """Scans the files of a release together."""

    def __init__(
        self,
        files: list[Shared],
        sources: list[Source],
        secrets: Mapping[str, str] | None = None,
        places: Mapping[str, str] | None = None,
    ) -> None:
        """`secrets` are values and `places` directories that must not be disclosed, by their names in findings."""
        # Others are compared with the phrases of tracked files.
        self.files = sorted(files, key=lambda file: (not file.tracked, file.name))
        self.sources = sources
        self.result = Scanned()
        self._authored, self._spans = Authored(), Spans()
        authors = next((file.data.decode() for file in files if file.tracked and file.name == CITATION), "")
        self._leaks = Leaks(secrets or {}, places or {}, authors)

    def run(self) -> Scanned:
        """Scan, and return all findings in order."""
        known = identifiers_of(self.sources)
        self.result.identifiers = len(known)
        identifiers = Identifiers(known)
        with Progress("files of the release scanned", len(self.files)) as bar:
            for number, file in enumerate(self.files):
                try:
                    self._scan(number, file, identifiers)
                except Refused as error:
                    self._finding(file, "cannot be released", str(error))
                bar.advance()
        self._compare()
        self.result.findings = sorted(set(self.result.findings))
        return self.result

    def _scan(self, number: int, file: Shared, identifiers: Identifiers) -> None:
        if not file.tracked and identifiers.in_name(file.name):
            # Its name would disclose the identifier.
            self.result.findings.append(Finding(f"a file in {file.name.split('/')[0]}/", "identifier", "in its name"))
            return
        content = read(file.name, file.data, file.tracked)
        for text in content.texts:
            self._scan_lines(file, text)
            if file.tracked:
                self._authored.add(text)
                self._identifiers_in_tracked(file, identifiers.unmistakable(text))
                self._spans.add(number, text)
            else:
                self._spans.add(number, self._authored.without(file.name, text))
        for kind, place in () if file.public else identifiers.among(content.values):
            self._finding(file, kind, place)

    def _finding(self, file: Shared, kind: str, place: str) -> None:
        self.result.findings.append(Finding(file.name, kind, place))

    def _scan_lines(self, file: Shared, text: str) -> None:
        # Tests have made-up keys and addresses; the documentation names servers.
        ignored = {SERVER} if file.tracked else set()
        ignored |= {SECRET, ADDRESS} if _is_test(file) else set()
        for number, kinds in self._leaks.lines(text):
            for kind in kinds - ignored:
                self._finding(file, kind, f"line {number}")

    def _identifiers_in_tracked(self, file: Shared, numbers: set[str]) -> None:
        """Report identifiers that can hardly occur by chance, unlike short item numbers, codes and numbers of tests."""
        if not _is_test(file) and (len(numbers) > 1 or not all(map(str.isdigit, numbers))):
            self._finding(file, "identifier", f"{len(numbers)} identifiers of real patients")
        elif numbers:
            self.result.remarks.append(f"{file.name}: a number is also an identifier of the cohort: by chance?")

    def _compare(self) -> None:
        """Compare every restricted text with the files."""
        shared: dict[int, set[int]] = {}
        stock: dict[int, int] = {}
        with Progress("restricted tables compared", len(self.sources)) as bar:
            for source in self.sources:
                for text in restricted_texts(source):
                    self.result.texts += 1
                    self._compare_text(text, source, shared, stock)
                bar.advance()
        for number, spans in shared.items():
            line = self._spans.line(number, spans)
            fact = f"{len(spans)} spans of {SPAN} words of restricted texts, first in line {line}"
            self._finding(self.files[number], "text", fact)
        for number, length in sorted(stock.items()):
            file, fact = self.files[number], f"{length} words in a row of a restricted text"
            if length > LONGEST_STOCK_PHRASE:
                self._finding(file, "text", fact)
            else:
                self.result.remarks.append(f"{file.name}: {fact}: a stock phrase?")

    def _compare_text(self, text: str, source: Source, shared: dict[int, set[int]], stock: dict[int, int]) -> None:
        """Add the spans that untracked files share with a text, and the longest run of words that tracked ones do."""
        runs: dict[int, tuple[int, int]] = {}
        for at, span, files in self._spans.hits(text):
            authored = [file for file in files if self.files[file].tracked]
            # Authored words are no secret, unless the text has them from elsewhere.
            if not source.made_of.isdisjoint(self.files[f].name for f in authored):
                continue
            for file in set(files).difference(authored):
                shared.setdefault(file, set()).add(span)
            for file in authored:
                last, length = runs.get(file, (at - 2, 0))
                runs[file] = (at, length + 1 if last == at - 1 else 1)
                stock[file] = max(stock.get(file, 0), runs[file][1] + SPAN - 1)


def _is_test(file: Shared) -> bool:
    return file.tracked and file.name.startswith("tests/")


def identifiers_of(sources: Iterable[Source]) -> set[str]:
    """Return all identifiers of patients, admissions, stays and notes in restricted tables (columns `*_id`)."""
    columns = (column for s in sources for column in _columns(s.path, IDENTIFIERS, lambda f: f.name.endswith("_id")))
    return {str(value) for column in columns for value in pc.unique(column).to_pylist() if value is not None}


def restricted_texts(source: Source) -> Iterator[str]:
    """Yield the different texts of each batch of rows that have room for two spans."""
    for column in _columns(source.path, TEXTS, lambda field: _innermost(field.type) in STRINGS):
        while isinstance(column.type, LISTS):
            column = column.flatten()
        yield from (text for text in pc.unique(column).to_pylist() if text and len(text) >= 2 * SPAN - 1)


def _innermost(kind: pa.DataType) -> pa.DataType:
    return _innermost(kind.value_type) if isinstance(kind, (pa.DictionaryType, *LISTS)) else kind


def _columns(path: Path, rows: int, selects: Callable[[pa.Field], bool]) -> Iterator[pa.Array]:
    """Yield the selected columns of a table in pieces of at most so many rows."""
    table = pyarrow.dataset.dataset(path, format="ipc" if path.suffix == ".arrow" else "parquet")
    names = [column.name for column in table.schema if selects(column)]
    # One batch at a time in memory, because a text may be as long as a note.
    for batch in table.to_batches(names, batch_size=rows, batch_readahead=1, fragment_readahead=1) if names else ():
        yield from batch.columns
