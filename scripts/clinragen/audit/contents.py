"""What the files of a release say: labelled values, and texts in the order in which they are read.

Only the formats of shareable outputs are accepted: CSV and Parquet with the columns of a declared table that identifies
nobody, HTML, SVG, JSON, Markdown, LaTeX, and PNG without texts. Files that git tracks may be any text.
"""

import base64
import binascii
import csv
import importlib
import io
import json
import pkgutil
import re
import urllib.parse
from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from lxml import etree, html

import clinragen.schemas
from clinragen.schemas.schema import Column, Table

FORMATS = (".csv", ".parquet", ".html", ".svg", ".json", ".md", ".tex", ".png")
# Encoded data: data URIs and the like. Wrapped lines are joined first.
ENCODED = re.compile(r"[A-Za-z0-9+/_-]{32,}={0,2}")
WRAPPED = re.compile(r"(?<=[A-Za-z0-9+/]{60})\s*\n\s*(?=[A-Za-z0-9+/]{4})")
HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2}){16,}|(?:[0-9A-F]{2}){16,}")
COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
PNG = b"\x89PNG\r\n\x1a\n"
# What a picture needs, and nothing that can hold a text.
CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"pHYs", b"sRGB", b"gAMA", b"cHRM", b"sBIT"}
CONTAINERS = (
    b"\x1f\x8b",
    b"PK\x03\x04",
    b"BZh",
    b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",
    b"7z\xbc\xaf",
    b"PAR1",
    b"ARROW1",
    b"%PDF",
)
NAME = re.compile(r"(?!.*\d{3})[\w .-]{1,30}")


class Refused(Exception):
    """Why a file cannot be released whatever it says."""


class Value(NamedTuple):
    """A cell, leaf or line: its place, and its text under all names that lead to it."""

    place: str
    names: tuple[str, ...]
    text: str
    tabular: bool = False

    @property
    def name(self) -> str:
        """The innermost name."""
        return self.names[-1] if self.names else ""


@cache
def declared() -> dict[tuple[str, ...], Table]:
    """Every table of the workflow by its columns."""
    names = [f"clinragen.schemas.{module.name}" for module in pkgutil.iter_modules(clinragen.schemas.__path__)]
    tables = (one for name in names for one in vars(importlib.import_module(name)).values() if isinstance(one, Table))
    return {tuple(column.name for column in table.columns): table for table in tables}


def texts(name: str, data: bytes, tracked: bool = False) -> Iterator[str]:
    """All text of a file as long pieces; Refused for what cannot be read or may not be shared.

    Tables come column by column, as a text with a word in each row goes, and CSV files row by row too.
    """
    suffix = _suffix(name)
    columns = {} if tracked else _columns(suffix, data)
    for piece in (
        *(() if suffix == ".parquet" else (_text(suffix, data, tracked),)),
        *map("\n".join, columns.values()),
    ):
        yield piece
        yield from encoded(piece)


def values(name: str, data: bytes) -> Iterator[Value]:
    """The same in pieces that know their names; numbers of tables are left out, since their schemas identify nobody."""
    suffix = _suffix(name)
    columns = _columns(suffix, data)
    for column, cells in columns.items():
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            for row, cell in enumerate(cells, start=1):
                yield Value(f"row {row}, column {column.name}", (column.name,), cell, tabular=True)
    text = "" if columns else _text(suffix, data)
    if suffix == ".json":
        yield from _leaves(json.loads(text), ())
    else:
        yield from _page(text) if suffix in (".html", ".svg") else _lines(text)
    for inner in encoded("\n".join(map("\n".join, columns.values())) or text):
        yield from _lines(inner)


def encoded(text: str) -> Iterator[str]:
    """Texts that are encoded in a text; Refused for an archive, a table, or a picture with texts."""
    if "%" in text:
        plain = urllib.parse.unquote(text)
        if plain != text:
            yield plain
    for match in ENCODED.finditer(WRAPPED.sub("", text)):
        run = match.group()
        for decode in (_base64, bytes.fromhex) if HEXADECIMAL.fullmatch(run) else (_base64,):
            try:
                data = decode(run)
            except (binascii.Error, ValueError):
                continue
            if data.startswith(PNG):
                check_picture(data)
            elif data.startswith(CONTAINERS):
                raise Refused("an encoded archive or table")
            elif (inner := _readable(data)) is not None:
                yield inner
                yield from encoded(inner)


def check_picture(data: bytes) -> None:
    """Refused unless a PNG file has pixels only: no texts, no other chunks, nothing after its end."""
    at, kind = len(PNG), b""
    while at + 12 <= len(data) and kind != b"IEND":
        kind = data[at + 4 : at + 8]
        if kind not in CHUNKS:
            raise Refused("a picture with texts")
        at += 12 + int.from_bytes(data[at : at + 4])
    if at != len(data) or kind != b"IEND":
        raise Refused("a damaged picture, or one with data after its end")


def _base64(run: str) -> bytes:
    run = run.rstrip("=")
    return base64.b64decode(
        run + "=" * (-len(run) % 4), altchars=b"-_" if re.search("[-_]", run) else None, validate=True
    )


def _readable(data: bytes) -> str | None:
    """The text that some bytes are; None for numbers, hashes and the like."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if sum(c.isprintable() or c.isspace() for c in text) == len(text) else None


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _text(suffix: str, data: bytes, tracked: bool = False) -> str:
    """The text of a file that is not a Parquet table."""
    if data.startswith(PNG):
        check_picture(data)
        return ""
    if not tracked and suffix not in FORMATS:
        raise Refused(f"a format that no shareable output has; they are {', '.join(FORMATS)}")
    try:
        text = data.decode("utf-8")
        if suffix == ".json" and not tracked:
            json.loads(text)
    except UnicodeDecodeError:
        raise Refused("not a text in UTF-8") from None
    except (ValueError, RecursionError):
        raise Refused("not a valid JSON file") from None
    return text


def _columns(suffix: str, data: bytes) -> dict[Column, list[str]]:
    """Cells of a table by its columns, without empty ones; nothing for a file that is not a table."""
    try:
        if suffix == ".parquet":
            found = pq.read_table(pa.BufferReader(data))
            table = _declared(found.column_names)
            if _described(found.schema) != _described(table.schema):
                raise Refused("types or metadata that no schema of the workflow has")
            listed = (found[column.name].to_pylist() for column in table.columns)
        elif suffix == ".csv" and data.strip():
            header, *rows = csv.reader(io.StringIO(_text(suffix, data), newline=""), strict=True)
            table = _declared(header)
            listed = zip(*rows, strict=True) if rows else ([] for _ in header)
        else:
            return {}
        cells = ([_cell(cell) for cell in column if cell not in (None, "")] for column in listed)
        return dict(zip(table.columns, cells, strict=True))
    except (pa.ArrowInvalid, OSError, csv.Error, ValueError):
        raise Refused("a damaged table") from None


def _declared(names: list[str]) -> Table:
    table = declared().get(tuple(names))
    if table is None:
        raise Refused("columns that no schema of the workflow has")
    if table.identifying:
        raise Refused("columns that identify patients or stays")
    return table


def _described(schema: pa.Schema) -> str:
    """Names, types and metadata of all fields; Parquet calls the elements of lists otherwise than Arrow."""
    return schema.to_string(truncate_metadata=False).replace("element: ", "item: ")


def _cell(value: Any) -> str:
    return "\n".join(map(_cell, value)) if isinstance(value, list) else str(value)


def shown(name: str) -> str:
    """A column or key as a finding may show it: a name, not content that was mistaken for one."""
    return name if NAME.fullmatch(name) else "(no plain name)"


def _rows(rows: Iterator[list[str]]) -> Iterator[Value]:
    """Cells of a table of a page by the columns of its first row."""
    header = next(rows, [])
    yield from (Value("header", (), name) for name in header)
    for number, row in enumerate(rows, start=1):
        for at, text in enumerate(row):
            name = header[at] if at < len(header) else ""
            yield Value(f"row {number} of a table, column {shown(name)}", (name,), text, True)


def _leaves(value: Any, names: tuple[str, ...]) -> Iterator[Value]:
    """Keys and leaves of a JSON value with all names that lead to them."""
    place = ".".join(shown(name) for name in names if name) or "(top)"
    if isinstance(value, dict):
        # A PropertyValue of a crate holds its name next to its value.
        own = next((str(value[key]) for key in ("propertyID", "name") if "value" in value and key in value), None)
        for key, part in value.items():
            yield Value(f"key of {place}", (*names, ""), str(key))
            yield from _leaves(part, (*names, own if own and key == "value" else str(key)))
    elif isinstance(value, list):
        for before, part in zip([None, *value], value, strict=False):
            # In a command line a value goes by the option before it; other elements have no name of their own.
            option = before[2:].replace("-", "_") if isinstance(before, str) and before.startswith("--") else ""
            yield from _leaves(part, (*names, option))
    elif value is not None:
        yield Value(place, names, str(value))


def _page(text: str) -> Iterator[Value]:
    """Cells of the tables of a page by their columns; lines of everything else, attributes and scripts included."""
    page = html.document_fromstring(text or "<p>")
    for element in page.iter(etree.Element):
        yield from (Value(f"attribute {shown(name)}", (), value) for name, value in element.attrib.items())
    for comment in COMMENT.findall(text):
        yield from _lines(comment)
    for table in list(page.iter("table")):
        rows = ([" ".join(cell.text_content().split()) for cell in row.iter("th", "td")] for row in table.iter("tr"))
        yield from _rows(rows)
        table.drop_tree()
    yield from _lines(page.text_content())


def _lines(text: str) -> Iterator[Value]:
    """Lines of a text; cells of its Markdown tables by their columns."""
    header: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if "|" in line else []
        for name, cell in zip(header, cells, strict=False):
            if cell.strip(":-"):
                yield Value(f"line {number}, column {shown(name)}", (name,), cell, True)
        if not (header and cells):
            yield Value(f"line {number}", (), line)
            header = cells
