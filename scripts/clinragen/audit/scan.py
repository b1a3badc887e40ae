"""Restricted content in what is to be shared: spans of texts, identifiers of the cohort, secrets, places.

The files to share are small and are remembered; the restricted tables, however large, stream past them. A finding
names the file, the kind and the place, never what was found.
"""

import base64
import binascii
import csv
import gzip
import html
import io
import ipaddress
import json
import re
import struct
import unicodedata
import urllib.parse
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from clinragen.runtime.progress import Progress

SPAN = 8
# In authored files, which git tracks, chance and stock phrases agree with real notes in so many words and no more.
LONGEST_STOCK_PHRASE = 19
# Rows that are held at a time, of numbers and of texts, which may be as long as a note.
NUMBERS, TEXTS = 65_536, 1_024

WORD = re.compile(r"[^\W_]+")
TAG = re.compile(r"<[^<>]*>")
DATA_URI = re.compile(r"data:[\w.+/-]*(;[\w=.+-]+)*?(;base64)?,([^\"'()<>\\]*)")
HASH = re.compile(r"\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{12,}\b")
PRINTABLE = re.compile(rb"[\t\n\r\x20-\x7e]{6,}")
# Among weights, shorter ones are chance.
WEIGHTS_AT = re.compile(r'"(?:data_offsets|shape)":\s*\[[\d,\s]*\],?')
PRINTABLE_IN_WEIGHTS = re.compile(rb"[\t\n\r\x20-\x7e]{24,}")
# Cells of a table, texts between tags, strings: neighbours in these need not belong together.
PARTS = {
    ".csv": re.compile(r'(?<=")(?:[^"]|"")+(?=")|[^,"\n]+'),
    ".json": re.compile(r'(?<=")(?:[^"\\]|\\.)+(?=")'),
    ".html": re.compile(r"(?<=>)[^<>]+(?=<)"),
}
SHORTEST_NAME = 3
BREAK = " 0break0 "

# Numbers of this many digits are searched for everywhere; shorter ones only where words name an identifier.
LONG = re.compile(r"(?<!\d)(?<!\d\.)(\d{6,})(?:\.0+)?(?!\d)(?!\.\d)")
LETTERED = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)+")
PERSON = r"(?:subject|patient|hadm|hospital admission|icu ?stay|mrn)s?"
UNIT = r"(?!\s*(?:h|hrs?|hours?|d|days?|weeks?|months?|years?|%)\b)"
NAMED = (
    # stay_id=12, "note ids": [3, 4], patient: 12
    re.compile(
        rf"(?:{PERSON}|stay|admission|note|row|episode)[ _-]?(?:ids?|no\.?|nr\.?|numbers?)\b"
        r"[\s\"':=#(\[]*(\d[\d\s,;\"']*)", re.I),
    re.compile(rf"(?<![a-z]){PERSON}[\"']?\s*[:=#]\s*[\"'\[(]?(\d[\d\s,;\"']*)(?!\d){UNIT}", re.I),
    re.compile(rf"(?<![a-z]){PERSON}[ _](\d{{3,}}(?:[,;]\s+\d+)*)(?!\d|[.,]\d){UNIT}", re.I),
    re.compile(r"(?<!\d)(\d+)_episode\d", re.I),
)  # fmt: skip
ID_COLUMN = re.compile(
    r"(?<![a-z])((subject|patient|hadm|admission|icu_?stay|stay|note|person|row)[ _-]?ids?|hadm|mrn|icu_?stay)"
    r"(?![a-z])",
    re.I,
)
# Under these names a number is somebody's if it is a known one, but for names of measures.
ABOUT = re.compile(
    r"(?<![a-z])(subject|patient|person|hadm|stay|icu_?stay|mrn|note|admission|episode|sample|case)s?(?![a-z])"
    r"|^column ids?$",
    re.I,
)
MEASURE = re.compile(
    r"(?<![a-z])(hours?|days|years?|ages?|count|share|rate|percent|length|total|mean|median|quartile|order|number|code|tokens|max)"
    r"(?![a-z])",
    re.I,
)
NUMBERS_ONLY = re.compile(r"[\[(]?\s*\d+(?:\.0+)?(?:[,;\s]+\d+(?:\.0+)?)*\s*[\])]?")
# So many different whole numbers in a column, nearly all of them known, are no chance, whatever its name.
FEWEST_VALUES, MOST = 5, 0.9
# Names of sizes, times and machine numbers, which are not identifiers whatever their value ...
SIZES = {"bytes", "contentSize", "rows", "seed", "wall_seconds", "memory_limit_mb", "memory_mb", "peak_memory_mb"}
SIZES |= {"SLURM_JOB_ID"}
# ... and under these counts, none of which has as many digits as an identifier of MIMIC-IV.
COUNTS = {
    "stays",
    "admissions",
    "subjects",
    "patients",
    "icustays",
    "codes",
    "stays with it",
    "inputs",
    "roots",
    "number",
    "samples",
    "cases",
}
LONGEST_COUNT = 7


def _after(names: set[str], between: str, digits: str) -> str:
    return rf"\b(?:{'|'.join(sorted(name.replace('_', '[_-]') for name in names))})[\"']?{between}[\"']?{digits}(?!\d)"


COUNT_IN_TEXT = re.compile(
    rf"{_after(SIZES, '[ :=]+', '[0-9]+')}"
    rf"|{_after(COUNTS, ' *[:=] *', f'[0-9]{{1,{LONGEST_COUNT}}}')}(?!\s*[,;]\s*\d)|\b\d+ (?:rows|bytes)\b"
)
SECRETS = {
    "key": re.compile(
        r"\b(?:sk-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
        r"|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{30,}|xox[abprs]-[\w-]{10,}|glpat-[\w-]{16,})"
    ),
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "password in an address": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@\"'<>]+:[^\s/@\"'<>]+@", re.I),
    "bearer token": re.compile(r"\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)\s+[\w.~+/-]{8,}", re.I),
}  # fmt: skip
MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}", re.I)
# Nobody's (RFC 2606), and what git calls itself at a host.
EXAMPLE_EMAIL = re.compile(r"@(?:[\w-]+\.)*example\.(?:org|com|net)$|^git@", re.I)
CITATION = "CITATION.cff"

ADDRESS = re.compile(
    r"\b(?:https?|wss?|grpc|tcp|ssh|s?ftp)://(?:[^\s/@\"'<>]*@)?(?P<host>\[[0-9a-f:.]+\]|[\w.-]*\w)(?P<port>:\d+)?",
    re.I,
)
INNER_HOST = re.compile(r"\.(local|localdomain|localhost|internal|intranet|lan|home|corp|private)\.?$", re.I)


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
    """A restricted table, whether it is about real patients, and the files of ours whose words it was made of.

    Of a cohort or notes or rationales of our own making, everything that git tracks may be such a file: not `real`.
    """

    name: str
    path: Path
    real: bool = False
    made_of: frozenset[str] = frozenset()


@dataclass
class Scanned:
    """Outcome of a scan: what forbids the release, and what should be known of it."""

    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    texts: int = 0
    identifiers: int = 0


# Reading files


@dataclass(frozen=True)
class Cell:
    """A piece of a file: its place, its name, its text, and the names above that name."""

    place: str
    name: str
    text: str
    tabular: bool = False
    above: str = ""


class Unreadable(Exception):
    """A file format the scan cannot read."""


def texts(name: str, data: bytes, authored: "Authored | None" = None) -> Iterator[str]:
    """All text of a file as long pieces, words in the order in which they can be read.

    With `authored`, cells that are authored phrases are left out.
    """
    if data[:4] == b"PAR1" or data[:6] == b"ARROW1":
        cut = authored.or_break if authored else str
        yield from ("\n".join(cut(cell.text) for cell in column) for column in _columns(data))
        return
    for text in _plain(name, data):
        inner, rest = _embedded(text)
        yield authored.without(name, rest) if authored else rest
        if name.lower().removesuffix(".gz").endswith((".csv", ".tsv")):
            # Row by row above; here column by column, as a text with a word in each row goes.
            columns: dict[str, list[str]] = {}
            for cell in _pieces(name, rest):
                columns.setdefault(cell.place.split(", ", 1)[-1], []).append(cell.text)
            cut = authored.or_break if authored else str
            yield from ("\n".join(map(cut, column)) for column in columns.values())
        for number, part in enumerate(inner):
            yield from texts(f"{name}#{number}", part, authored)


def cells(name: str, data: bytes) -> Iterator[Cell]:
    """The same in pieces that know the name of their column or key, where the format has such."""
    if data[:4] == b"PAR1" or data[:6] == b"ARROW1":
        for column in _columns(data):
            yield from column
        return
    for text in _plain(name, data):
        inner, rest = _embedded(text)
        yield from _pieces(name, rest)
        for number, part in enumerate(inner):
            yield from cells(f"{name}#{number}", part)


def _plain(name: str, data: bytes) -> Iterator[str]:
    """Text of a file that is not an Arrow table; Unreadable if its encoding is unknown."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            raise Unreadable("a damaged gzip file") from None
        yield from _plain(name.removesuffix(".gz"), data)
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        yield from _png(data)
    elif data[:3] == b"\xef\xbb\xbf" or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield data.decode("utf-8-sig" if data[:3] == b"\xef\xbb\xbf" else "utf-16", errors="replace")
    elif name.endswith(".safetensors"):
        # Weights and their offsets are numbers; only the header and any text among the weights are scanned.
        yield WEIGHTS_AT.sub(
            "", "\n".join(found.group().decode("ascii") for found in PRINTABLE_IN_WEIGHTS.finditer(data))
        )
    else:
        try:
            yield data.decode("utf-8")
        except UnicodeDecodeError:
            raise Unreadable("a format the scan cannot read") from None


def _png(data: bytes) -> Iterator[str]:
    """Texts of a PNG file: its text chunks, unpacked, and whatever is printable in other chunks but the pixels."""
    at, end = 8, len(data)
    while at + 8 <= end:
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += 12 + size
        try:
            if kind == b"zTXt":
                key, _, packed = body.partition(b"\0")
                yield f"{key.decode('latin-1')}\n{zlib.decompress(packed[1:]).decode('latin-1')}"
            elif kind == b"iTXt":
                key, _, rest = body.partition(b"\0")
                packed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[2]
                text = zlib.decompress(text) if packed else text
                yield f"{key.decode('latin-1')}\n{text.decode('utf-8', errors='replace')}"
            elif kind == b"tEXt":
                yield body.replace(b"\0", b"\n").decode("latin-1")
            elif kind != b"IDAT":
                yield "\n".join(found.group().decode("ascii") for found in PRINTABLE.finditer(body))
        except (zlib.error, IndexError):
            raise Unreadable("a damaged text in a picture") from None
        if kind == b"IEND":
            break
    if at < end:
        yield "\n".join(found.group().decode("ascii") for found in PRINTABLE.finditer(data[at:]))


def _embedded(text: str) -> tuple[list[bytes], str]:
    """Files embedded in a text as data: addresses, and the text without them."""
    if "data:" not in text:
        return [], text
    found: list[bytes] = []

    def take(match: re.Match[str]) -> str:
        body = urllib.parse.unquote(match[3])
        try:
            found.append(base64.b64decode("".join(body.split()), validate=True) if match[2] else body.encode())
        except (binascii.Error, ValueError):
            return match[0]
        return " "

    return found, DATA_URI.sub(take, text)


def _columns(data: bytes) -> Iterator[Iterator[Cell]]:
    """Cells of a Parquet or Arrow file column by column, its metadata first."""
    source = pa.BufferReader(data)
    try:
        table = pq.read_table(source) if data[:4] == b"PAR1" else pa.ipc.open_file(source).read_all()
    except (pa.ArrowInvalid, OSError):
        raise Unreadable("a damaged table") from None
    described = [*(table.schema.metadata or {}).items()]
    for one in table.schema:
        described += [*(one.metadata or {}).items()]
    yield (Cell("metadata", "", value.decode("utf-8", errors="replace")) for _, value in described)
    for column in table.column_names:
        values = enumerate(table[column].to_pylist(), start=1)
        yield (
            Cell(f"row {row}, column {_title(column)}", column, _text(value), tabular=True)
            for row, value in values
            if value is not None
        )


def _title(name: str) -> str:
    """A column or key as a finding may show it: a name, not content that was mistaken for one."""
    return name if re.fullmatch(r"(?!.*\d{3})[\w .-]{0,30}", name) else "(no plain name)"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(map(_text, value))
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_text(part)}" for key, part in value.items())
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(value)


def _pieces(name: str, text: str) -> Iterator[Cell]:
    base = name.lower().removesuffix(".gz")
    if base.endswith((".json", ".jsonl", ".jsonld")):
        try:
            whole = [json.loads(line) for line in text.splitlines() if line.strip()] if base.endswith("l") else None
            yield from _walk(json.loads(text) if whole is None else whole, "", "", "")
            return
        except (ValueError, RecursionError):
            pass
    if base.endswith((".csv", ".tsv")):
        rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if base.endswith(".tsv") else ",")
        try:
            header = next(rows, [])
            yield from (Cell("header", "", column) for column in header)
            for number, row in enumerate(rows, start=1):
                for at, value in enumerate(row):
                    column = header[at] if at < len(header) else ""
                    yield Cell(f"row {number}, column {_title(column) or at + 1}", column, value, tabular=True)
            return
        except csv.Error:
            pass
    if base.endswith((".html", ".htm", ".svg", ".xml")) or "<table" in text:
        reader = _Tables()
        reader.feed(text)
        reader.close()
        yield from reader.found
        # The parser does not treat attributes, comments and scripts as text; cells of tables were yielded above.
        text = "\n".join(reader.rest)
    yield from _lines(text)


def _lines(text: str) -> Iterator[Cell]:
    """Lines of a text; of a Markdown table its cells; a line that is a name heads the numbers below it."""
    header: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        parts = [part.strip() for part in line.strip().strip("|").split("|")]
        if "|" in line and len(parts) == len(header):
            for column, part in zip(header, parts, strict=True):
                if part.strip(":-"):
                    yield Cell(f"line {number}, column {_title(column)}", column, part, tabular=True)
            continue
        below = len(header) == 1 and NUMBERS_ONLY.fullmatch(line.strip()) is not None
        place = f"line {number}, column {_title(header[0])}" if below else f"line {number}"
        yield Cell(place, header[0] if below else "", line, tabular=below)
        if not below:
            header = parts if "|" in line or ID_COLUMN.fullmatch(parts[0]) else []


def _walk(value: Any, name: str, place: str, above: str) -> Iterator[Cell]:
    """Keys and leaves of a JSON value with all names above them; elements of a list have no name of their own."""
    inner = f"{above} {name}".strip()
    if isinstance(value, dict):
        # A PropertyValue of a crate holds its name next to its value.
        own = next((str(value[k]) for k in ("propertyID", "name") if "value" in value and k in value), None)
        for key, part in value.items():
            yield Cell(f"key {place or '(top)'}", "", str(key), above=inner)
            called = own if own and key == "value" else str(key)
            yield from _walk(part, called, f"{place}.{_title(key)}".lstrip("."), inner)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            # In a command line a value goes by the option before it.
            before = value[number - 1] if number else None
            option = isinstance(before, str) and before.startswith("--")
            yield from _walk(part, before[2:].replace("-", "_") if option else "", f"{place}[{number}]", inner)
    elif value is not None and not above.endswith("vocab"):
        yield Cell(place, name, _text(value), above=above)


class _Tables(HTMLParser):
    """Cells of the tables of a page by their columns; everything else as it comes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Cell] = []
        self.rest: list[str] = []
        self._header: list[str] = []
        self._row: list[tuple[str, str]] = []
        self._cell: list[str] | None = None
        self._kind = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.rest += [value for _, value in attrs if value]
        if tag == "table":
            self._header = []
        elif tag in ("td", "th"):
            self._end_cell()
            self._cell, self._kind = [], tag
        elif tag == "tr":
            self._end_row()
        elif self._cell is not None:
            self._cell.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._end_cell()
        elif tag in ("tr", "table", "thead"):
            self._end_row()

    def handle_data(self, data: str) -> None:
        if self._cell is None:
            self.rest.append(data)
        else:
            self._cell.append(data)

    def handle_comment(self, data: str) -> None:
        self.rest.append(data)

    def close(self) -> None:
        super().close()
        self._end_row()

    def _end_cell(self) -> None:
        if self._cell is not None:
            self._row.append((self._kind, "".join(self._cell).strip()))
            self._cell = None

    def _end_row(self) -> None:
        self._end_cell()
        if self._row and not self._header:
            self._header = [text for _, text in self._row]
            self.found += [Cell("header of a table", "", text) for text in self._header]
        else:
            for at, (_, text) in enumerate(self._row):
                column = self._header[at] if at < len(self._header) else ""
                place = f"line {self.getpos()[0]}, column {_title(column) or at + 1}"
                self.found.append(Cell(place, column, text, tabular=True))
        self._row = []


# Spans of words


class Authored:
    """What the files that git tracks say: a cell that is wholly one of their phrases is a name of ours, and no note's.

    Names of phenotypes in a column would otherwise be taken for the list of diagnoses at the end of a note.
    """

    def __init__(self) -> None:
        self._said: list[str] = []
        self._known: dict[str, bool] = {}

    def add(self, text: str) -> None:
        """Remember a text of a tracked file."""
        self._said.append(f" {' '.join(words(text))} ")

    def without(self, name: str, text: str) -> str:
        """The text of a file with a break in place of every cell that is such a phrase."""
        parts = next((one for suffix, one in PARTS.items() if suffix in name), None)
        return parts.sub(lambda found: self.or_break(found.group()), text) if parts else text

    def or_break(self, cell: str) -> str:
        """The cell, or a break in its place."""
        if cell not in self._known:
            found = list(words(cell))
            phrase = f" {' '.join(found)} "
            self._known[cell] = len(found) >= SHORTEST_NAME and any(phrase in said for said in self._said)
        return BREAK if self._known[cell] else cell


def views(text: str) -> Iterator[str]:
    """The ways in which a text may be written down: as it is, without tags, without backslashes."""
    yield text
    if "<" in text:
        yield TAG.sub(" ", text)
    if "\\" in text:
        plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
        plain = re.sub(r"\\[nrtbf\"'/\\]", " ", plain)
        yield plain
        if "<" in plain:
            yield TAG.sub(" ", plain)


def words(text: str) -> Iterator[str]:
    """Words without case, punctuation, entities of HTML and ways of writing the same letter."""
    if "&" in text:
        # Twice: a page that quotes a page.
        text = html.unescape(html.unescape(text))
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.replace("\xad", "").replace("\u200b", ""))
    return (found.group() for found in WORD.finditer(text.casefold()))


class Spans:
    """Spans of SPAN words of the files to share, by the numbers of the files."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._files: dict[int, tuple[int, ...]] = {}

    def add(self, file: int, text: str) -> None:
        """Remember all spans of a text."""
        for view in views(text):
            for word in words(view):
                self._numbers.setdefault(word, len(self._numbers))
            for _, span in self._spans(view):
                known = self._files.get(span, ())
                if file not in known:
                    self._files[span] = (*known, file)

    def hits(self, text: str) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """Spans of another text that are remembered: number of their first word, the span, the files that hold it."""
        for at, span in self._spans(text):
            if files := self._files.get(span):
                yield at, span, files

    def line(self, text: str, spans: set[int]) -> int | None:
        """The first line of a text in which one of the spans begins."""
        for view in views(text):
            at = next((at for at, span in self._spans(view) if span in spans), None)
            if at is not None:
                for number, line in enumerate(view.splitlines(), start=1):
                    at -= sum(1 for _ in words(line))
                    if at < 0:
                        return number
        return None

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        run: deque[int] = deque(maxlen=SPAN)
        numbers = self._numbers
        for at, word in enumerate(words(text)):
            number = numbers.get(word)
            if number is None:
                run.clear()
            else:
                run.append(number)
                if len(run) == SPAN:
                    yield at - SPAN + 1, hash(tuple(run))


# The restricted tables


def identifiers(sources: Iterable[Source]) -> set[str]:
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


# The scan


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
        self.files = files
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
        # Tracked files first: their content is authored, and judged there.
        self.files = sorted(self.files, key=lambda one: (not one.tracked, one.name))
        self._real = identifiers(source for source in self.sources if source.real)
        known = self._real | identifiers(source for source in self.sources if not source.real)
        self.found.identifiers = len(known)
        for file in self.files:
            if file.tracked and file.name == CITATION:
                self._authors = {found.group().lower() for found in MAIL.finditer(file.read().decode())}
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
            for text in texts(file.name, data):
                self._secrets(file, text)
                if file.tracked:
                    self._authored.add(text)
                    spans.add(number, text)
            for text in () if file.tracked else texts(file.name, data, self._authored):
                spans.add(number, text)
            if file.tracked:
                self._identifiers_of_authored(file, data)
            else:
                self._identifiers(file, data, known)
        except Unreadable as error:
            self._finding(file, "cannot be scanned", str(error))

    def _finding(self, file: Shared, kind: str, place: str) -> None:
        self.found.findings.append(Finding(self._titles.get(file.name, file.name), kind, place))

    def _secrets(self, file: Shared, text: str) -> None:
        def report(kind: str, at: int) -> None:
            self._finding(file, kind, f"line {text.count(chr(10), 0, at) + 1}")

        for name, value in self.secrets.items():
            for written in {value, json.dumps(value)[1:-1], html.escape(value), urllib.parse.quote(value, safe="")}:
                if (at := text.find(written)) >= 0:
                    report(f"value of {name}", at)
        for name, at in places_in(text, self.places):
            report(f"path of {name}", at)
        if file.tracked and file.name.startswith("tests/"):
            return  # keys and addresses that were made up for them
        for kind, pattern in SECRETS.items():
            for match in next(filter(None, (list(pattern.finditer(view)) for view in views(text))), []):
                report(kind, match.start())
        for match in MAIL.finditer(text):
            if match.group().lower() not in self._authors and not EXAMPLE_EMAIL.search(match.group()):
                report("mail address", match.start())
        if file.tracked:
            return
        for match in ADDRESS.finditer(text):
            if not is_public_host(match["host"], match["port"]):
                report("place", match.start())

    def _identifiers(self, file: Shared, data: bytes, known: set[str]) -> None:
        path = re.sub(r"seed\d+", "", HASH.sub("", file.name))
        if any(token.lstrip("0") in known for token in re.findall(r"\d{3,}", path)):
            self._titles[file.name] = f"a file in {file.name.split('/')[0]}/"
            self._finding(file, "identifier", "in its name")
        reported: set[str] = set()
        columns: dict[str, list[str]] = {}

        def report(kind: str, place: str) -> None:
            if place not in reported:
                reported.add(place)
                self._finding(file, kind, place)

        for cell in () if file.public else cells(file.name, data):
            name, text = cell.name.strip(), cell.text
            about = f"column {name}" if cell.tabular else f"{cell.above} {name}"
            about = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", about)
            column = cell.place.split(", ", 1)[-1]
            if ID_COLUMN.search(about) and re.search(r"\d", text):
                report(
                    "column of identifiers" if cell.tabular else "identifier", column if cell.tabular else cell.place
                )
            elif is_count(name, text):
                continue
            elif is_identifier_value(about, text, known) or contains_identifier(text, known):
                report("identifier", cell.place)
            elif cell.tabular and not MEASURE.search(name) and text.strip():
                columns.setdefault(column, []).append(text.strip())
        for column, values in columns.items():
            hits = sum(value.removesuffix(".0") in known for value in values)
            if len(set(values)) >= FEWEST_VALUES and hits >= MOST * len(values):
                report("column of identifiers", column)

    def _identifiers_of_authored(self, file: Shared, data: bytes) -> None:
        """Only what cannot occur by chance: item numbers, codes and made-up numbers of tests are short."""
        found = (LONG.finditer(HASH.sub(" ", text)) for text in texts(file.name, data))
        lines = sum(1 for text in found for match in text if len(match[1]) > LONGEST_COUNT and match[1] in self._real)
        if lines:
            self.found.remarks.append(f"{file.name}: {lines} numbers are identifiers of the cohort too: by chance?")

    def _compare(self, spans: Spans) -> None:
        seen: dict[int, set[int]] = {}
        stock: dict[int, int] = {}
        with Progress("restricted tables compared", len(self.sources)) as bar:
            for source in self.sources:
                for text in restricted_texts(source):
                    self.found.texts += 1
                    runs: dict[int, tuple[int, int]] = {}
                    for at, span, files in spans.hits(text):
                        ours = [file for file in files if self.files[file].tracked]
                        # What we wrote is no secret, unless real patients' texts have it from elsewhere.
                        real = source.real and not any(self.files[file].name in source.made_of for file in ours)
                        if not ours or real:
                            for file in set(files).difference(ours):
                                seen.setdefault(file, set()).add(span)
                            for file in ours:
                                last, length = runs.get(file, (at - 2, 0))
                                runs[file] = (at, length + 1 if last == at - 1 else 1)
                                stock[file] = max(stock.get(file, 0), runs[file][1] + SPAN - 1)
                bar.advance()
        for number, found in seen.items():
            self._tell_spans(self.files[number], spans, found)
        for number, length in sorted(stock.items()):
            if length > LONGEST_STOCK_PHRASE:
                self._finding(self.files[number], "text", f"{length} words of a restricted text")
            else:
                self.found.remarks.append(
                    f"{self.files[number].name}: shares up to {length} words in a row with a restricted text:"
                    " a stock phrase?"
                )

    def _tell_spans(self, file: Shared, spans: Spans, found: set[int]) -> None:
        lines = [spans.line(text, found) for text in texts(file.name, file.read(), self._authored)]
        line = next((one for one in lines if one is not None), None)
        self._finding(file, "text", f"{len(found)} spans of {SPAN} words of restricted texts, the first in line {line}")


def places_in(text: str, places: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Which of some directories a text names, and where first."""
    for name, folder in places.items():
        match = re.search(rf"(?<![\w.}}-]){re.escape(folder.rstrip('/'))}(?![\w.-])", text)
        if match:
            yield name, match.start()


def is_public_host(host: str, port: str | None) -> bool:
    """Whether a host may be disclosed: it has a public name or number, and no explicit port."""
    try:
        return port is None and ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        return port is None and "." in host.rstrip(".") and not INNER_HOST.search(host)


def contains_identifier(text: str, known: set[str]) -> bool:
    """Whether a text holds an identifier: a long number or a lettered one anywhere, a short one where words say so."""
    text = COUNT_IN_TEXT.sub(" ", HASH.sub(" ", text))
    if any(found[1].lstrip("0") in known for found in LONG.finditer(text)):
        return True
    if any(found.group() in known for found in LETTERED.finditer(text)):
        return True
    return any(
        number.lstrip("0") in known
        for pattern in NAMED
        for found in pattern.finditer(text)
        for number in re.findall(r"\d+", found[1])
    )


def is_identifier_value(about: str, text: str, known: set[str]) -> bool:
    """Whether a value is nothing but numbers, a known one among them, under names of identifiers."""
    if not ABOUT.search(about) or MEASURE.search(about) or not NUMBERS_ONLY.fullmatch(text.strip()):
        return False
    return any(number.lstrip("0") in known for number in re.findall(r"(?<![.\d])\d+", text))


def is_count(name: str, text: str) -> bool:
    """Whether a value is a number under the name of a size, time or count."""
    if not re.fullmatch(r"[\d\s.,+-]*", text):
        return False
    return name in SIZES or (name in COUNTS and not re.search(rf"\d{{{LONGEST_COUNT + 1},}}", text))
