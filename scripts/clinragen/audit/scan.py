"""The scan before a release: restricted texts, identifiers of the cohort, secrets, local paths, refused formats.

A finding names the file, the kind and the place, never what was found.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from clinragen.audit import identifiers, leaks
from clinragen.audit.contents import Refused, texts, values
from clinragen.audit.overlap import LONGEST_STOCK_PHRASE, SPAN, Authored, Spans, views
from clinragen.runtime.progress import Progress

CITATION = "CITATION.cff"
# Rows that are held at a time, of numbers and of texts, which may be as long as a note.
NUMBERS, TEXTS = 65_536, 1_024


@dataclass(frozen=True, order=True)
class Finding:
    """Restricted content in a file to share."""

    file: str
    kind: str
    place: str

    def __str__(self) -> str:
        return f"{self.file}: {self.kind}, {self.place}"


@dataclass(frozen=True)
class Shared:
    """A file to share: its name in the archive, what reads it, whether git tracks it at the commit.

    `public` is what was made of public documents only, whose numbers are no patient's.
    """

    name: str
    read: Callable[[], bytes]
    tracked: bool = False
    public: bool = False


@dataclass(frozen=True)
class Source:
    """A restricted table, whether it is about real patients, and the tracked files whose words it was made of.

    Of a synthetic cohort, or its notes or rationales, everything that git tracks may be such a file: not `real`.
    """

    name: str
    path: Path
    real: bool = False
    made_of: frozenset[str] = frozenset()


@dataclass
class Scanned:
    """Outcome of a scan: what forbids the release, remarks, and numbers of restricted texts and identifiers."""

    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    texts: int = 0
    identifiers: int = 0


class Scan:
    """Looks through files to share, all of them at once."""

    def __init__(
        self,
        files: list[Shared],
        sources: list[Source],
        secrets: Mapping[str, str] | None = None,
        places: Mapping[str, str] | None = None,
    ) -> None:
        """`secrets` are values that must not be disclosed, `places` directories, both by their names in findings."""
        # Tracked files first: their content is authored, and judged there.
        self.files = sorted(files, key=lambda one: (not one.tracked, one.name))
        self.sources = sources
        self.secrets = secrets or {}
        self.places = places or {}
        self.found = Scanned()
        self._authored = Authored()
        # Files whose names disclose too much are shown under other names.
        self._titles: dict[str, str] = {}
        self._authors: set[str] = set()
        self._real: set[str] = set()

    def run(self) -> Scanned:
        """Everything that forbids the release, sorted."""
        self._real = identifiers_of(source for source in self.sources if source.real)
        known = self._real | identifiers_of(source for source in self.sources if not source.real)
        self.found.identifiers = len(known)
        for file in self.files:
            if file.tracked and file.name == CITATION:
                self._authors = {match.group().lower() for match in leaks.MAIL.finditer(file.read().decode())}
        spans = Spans()
        with Progress("files to share looked through", len(self.files)) as bar:
            for number, file in enumerate(self.files):
                self._look_through(number, file, spans, known)
                bar.advance()
        self._compare(spans)
        self.found.findings = sorted(set(self.found.findings))
        return self.found

    def _look_through(self, number: int, file: Shared, spans: Spans, known: set[str]) -> None:
        data = file.read()
        try:
            for text in texts(file.name, data, file.tracked):
                self._leaks(file, text)
                if file.tracked:
                    self._authored.add(text)
                    self._identifiers_of_authored(file, text)
                spans.add(number, text if file.tracked else self._authored.without(file.name, text))
            if file.tracked:
                return
            if identifiers.in_name(file.name, known):
                self._titles[file.name] = f"a file in {file.name.split('/')[0]}/"
                self._finding(file, "identifier", "in its name")
            for kind, place in () if file.public else identifiers.identifiers_in(values(file.name, data), known):
                self._finding(file, kind, place)
        except Refused as error:
            self._finding(file, "cannot be released", str(error))

    def _finding(self, file: Shared, kind: str, place: str) -> None:
        self.found.findings.append(Finding(self._titles.get(file.name, file.name), kind, place))

    def _leaks(self, file: Shared, text: str) -> None:
        def report(kind: str, at: int) -> None:
            self._finding(file, kind, f"line {text.count(chr(10), 0, at) + 1}")

        for name, at in leaks.secret_values(text, self.secrets):
            report(f"value of {name}", at)
        for name, at in leaks.places_in(text, self.places):
            report(f"path of {name}", at)
        if file.tracked and file.name.startswith("tests/"):
            return  # keys and addresses that were made up for them
        for view in views(text):
            for at in leaks.keys(view):
                self._finding(file, "secret", f"line {view.count(chr(10), 0, at) + 1}")
        for at in leaks.mail_addresses(text, self._authors):
            report("mail address", at)
        if not file.tracked:
            for at in leaks.own_servers(text):
                report("place", at)

    def _identifiers_of_authored(self, file: Shared, text: str) -> None:
        """Only what cannot occur by chance: item numbers, codes and made-up numbers of tests are short."""
        found = identifiers.long_numbers(text, self._real)
        if found:
            self.found.remarks.append(f"{file.name}: {found} numbers are identifiers of the cohort too: by chance?")

    def _compare(self, spans: Spans) -> None:
        seen: dict[int, set[int]] = {}
        stock: dict[int, int] = {}
        with Progress("restricted tables compared", len(self.sources)) as bar:
            for source in self.sources:
                for text in restricted_texts(source):
                    self.found.texts += 1
                    self._compare_text(text, source, spans, seen, stock)
                bar.advance()
        for number, found in seen.items():
            self._report_spans(self.files[number], spans, found)
        for number, length in sorted(stock.items()):
            if length > LONGEST_STOCK_PHRASE:
                self._finding(self.files[number], "text", f"{length} words of a restricted text")
            else:
                self.found.remarks.append(
                    f"{self.files[number].name}: shares up to {length} words in a row with a restricted text:"
                    " a stock phrase?"
                )

    def _compare_text(
        self, text: str, source: Source, spans: Spans, seen: dict[int, set[int]], stock: dict[int, int]
    ) -> None:
        """Add the spans that files share with a text (`seen`), and the longest run of tracked ones (`stock`)."""
        runs: dict[int, tuple[int, int]] = {}
        for at, span, files in spans.hits(text):
            authored = [file for file in files if self.files[file].tracked]
            # What is authored is no secret, unless real patients' texts have it from elsewhere.
            real = source.real and not any(self.files[file].name in source.made_of for file in authored)
            if authored and not real:
                continue
            for file in set(files).difference(authored):
                seen.setdefault(file, set()).add(span)
            for file in authored:
                last, length = runs.get(file, (at - 2, 0))
                runs[file] = (at, length + 1 if last == at - 1 else 1)
                stock[file] = max(stock.get(file, 0), runs[file][1] + SPAN - 1)

    def _report_spans(self, file: Shared, spans: Spans, found: set[int]) -> None:
        said = (self._authored.without(file.name, text) for text in texts(file.name, file.read()))
        line = next((line for text in said if (line := spans.line(text, found)) is not None), None)
        self._finding(file, "text", f"{len(found)} spans of {SPAN} words of restricted texts, the first in line {line}")


def identifiers_of(sources: Iterable[Source]) -> set[str]:
    """All values of the columns of the restricted tables that name a patient, an admission, a stay or a note."""
    found: set[str] = set()
    tables = list(sources)
    with Progress("tables whose identifiers are read", len(tables)) as bar:
        for source in tables:
            for batch in _batches(source.path, NUMBERS, lambda one: one.name.endswith("_id")):
                for column in batch.columns:
                    found.update(str(value) for value in pc.unique(column).to_pylist() if value is not None)
            bar.advance()
    return found


def restricted_texts(source: Source) -> Iterator[str]:
    """All different texts of a batch of rows, batch by batch."""
    for batch in _batches(source.path, TEXTS, lambda one: _is_text(one.type)):
        for column in batch.columns:
            while pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
                column = column.flatten()
            yield from (text for text in pc.unique(column).to_pylist() if text and len(text) >= 2 * SPAN - 1)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _batches(path: Path, rows: int, wanted: Callable[[pa.Field], bool]) -> Iterator[pa.RecordBatch]:
    if path.suffix == ".arrow":
        with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as file:
            names = [one.name for one in file.schema if wanted(one)]
            for number in range(file.num_record_batches if names else 0):
                yield file.get_batch(number).select(names)
    else:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            names = [one.name for one in file.schema_arrow if wanted(one)]
            yield from file.iter_batches(rows, columns=names) if names else ()
