"""Decode the files of a release into texts, in reading order, and labelled values.

Only formats that shareable outputs have are accepted: CSV and Parquet with the columns of a declared table that
identifies nobody, HTML, SVG, JSON, Markdown, LaTeX, and PNG without texts. Files that git tracks may be any UTF-8 text.
"""

import base64
import importlib
import json
import pkgutil
import re
import urllib.parse
from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from lxml import etree, html

import clinragen.schemas
from clinragen.schemas.schema import Column, Table

FORMATS = (".csv", ".parquet", ".html", ".svg", ".json", ".md", ".tex", ".png")
# A picture in a page: pixels, or a drawing with its texts.
EMBEDDED = re.compile(r";base64,((?:[A-Za-z0-9+/]{4}){8,}(?:[A-Za-z0-9+/]{2}[A-Za-z0-9+/=]=)?)")
COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
PNG = b"\x89PNG\r\n\x1a\n"
# Chunks that a picture needs and that cannot hold a text.
CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"pHYs", b"sRGB", b"gAMA", b"cHRM", b"sBIT"}
NAME = re.compile(r"(?!.*\d{3})[\w .-]{1,30}")


class Refused(Exception):
    """Why a file cannot be released, whatever its content."""


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


class Content(NamedTuple):
    """A decoded file. Text columns of tables are values; numbers are not, because no declared column identifies."""

    texts: list[str]
    values: list[Value]


def read(name: str, data: bytes, tracked: bool = False) -> Content:
    """Decode a file; Refused if it cannot be decoded or may not be shared.

    A table is read column by column, where a text with a word in each row would be, and a CSV file also row by row.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if not tracked and suffix not in FORMATS:
        raise Refused(f"a format that no shareable output has; accepted are {', '.join(FORMATS)}")
    if data.startswith(PNG):
        check_picture(data)
        return Content([], [])
    try:
        text = "" if suffix == ".parquet" else data.decode()
    except UnicodeDecodeError:
        raise Refused("not a text in UTF-8") from None
    columns = {} if tracked else _columns(suffix, data)
    texts = [text, *map("\n".join, columns.values())]
    inner = [part for outer in texts for part in embedded(outer)]
    values: list[Value] = []
    if columns:
        values = [value for column, cells in columns.items() for value in _cells(column, cells)]
    elif not tracked and suffix == ".json":
        try:
            values = list(_leaves(json.loads(text), ()))
        except (ValueError, RecursionError):
            raise Refused("not a valid JSON file") from None
    elif not tracked:
        values = list(_page(text) if suffix in (".html", ".svg") else _lines(text))
    own = () if tracked else (value for part in inner for value in _lines(part))
    return Content([*texts, *inner], [*values, *own])


def embedded(text: str) -> Iterator[str]:
    """Yield a text without percent encoding, and the drawings in it; Refused for a picture with texts."""
    if "%" in text and (plain := urllib.parse.unquote(text)) != text:
        yield plain
    for match in EMBEDDED.finditer(text):
        data = base64.b64decode(match[1])
        if data.startswith(PNG):
            check_picture(data)
        else:
            yield data.decode(errors="replace")


def check_picture(data: bytes) -> None:
    """Refuse a PNG file with anything but pixels: texts, other chunks, data after its end."""
    at, kind = len(PNG), b""
    while at + 12 <= len(data) and kind != b"IEND":
        kind = data[at + 4 : at + 8]
        if kind not in CHUNKS:
            raise Refused("a picture with texts")
        at += 12 + int.from_bytes(data[at : at + 4])
    if at != len(data) or kind != b"IEND":
        raise Refused("a damaged picture, or one with data after its end")


@cache
def declared() -> dict[tuple[str, ...], Table]:
    """Return every table of the workflow by its columns."""
    names = [f"clinragen.schemas.{module.name}" for module in pkgutil.iter_modules(clinragen.schemas.__path__)]
    members = (member for name in names for member in vars(importlib.import_module(name)).values())
    return {tuple(c.name for c in table.columns): table for table in members if isinstance(table, Table)}


def _columns(suffix: str, data: bytes) -> dict[Column, list[str]]:
    """Return the cells of a table by its columns, without empty ones; nothing for a file that is not a table."""
    if suffix not in (".csv", ".parquet"):
        return {}
    try:
        stored = pq.read_table(pa.BufferReader(data)) if suffix == ".parquet" else _as_texts(data)
    except (pa.ArrowInvalid, OSError):
        raise Refused("a damaged table") from None
    table = declared().get(tuple(stored.column_names))
    if table is None:
        raise Refused("columns that no schema of the workflow has")
    if table.identifying:
        raise Refused("columns that identify patients or stays")
    return {c: [_cell(cell) for cell in stored[c.name].to_pylist() if cell not in (None, "")] for c in table.columns}


def _as_texts(data: bytes) -> pa.Table:
    """Return a CSV table with all its cells as they are written."""
    parsing = pa.csv.ParseOptions(newlines_in_values=True)
    names = pa.csv.open_csv(pa.BufferReader(data), parse_options=parsing).schema.names
    texts = pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    return pa.csv.read_csv(pa.BufferReader(data), parse_options=parsing, convert_options=texts)


def _cell(value: Any) -> str:
    return "\n".join(map(_cell, value)) if isinstance(value, list) else str(value)


def _cells(column: Column, cells: list[str]) -> Iterator[Value]:
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        for row, cell in enumerate(cells, start=1):
            yield Value(f"row {row}, column {column.name}", (column.name,), cell, tabular=True)


def _shown(name: str) -> str:
    """Return a column or key as a finding may show it: a name, not content in the place of one."""
    return name if NAME.fullmatch(name) else "(no plain name)"


def _leaves(value: Any, names: tuple[str, ...]) -> Iterator[Value]:
    """Yield keys and leaves of a JSON value with all names that lead to them."""
    place = ".".join(_shown(name) for name in names if name) or "(top)"
    if isinstance(value, dict):
        # A PropertyValue of a crate holds its name next to its value.
        own = next((str(value[key]) for key in ("propertyID", "name") if "value" in value and key in value), None)
        for key, part in value.items():
            yield Value(f"key of {place}", (*names, ""), str(key))
            yield from _leaves(part, (*names, own if own and key == "value" else str(key)))
    elif isinstance(value, list):
        for before, part in zip([None, *value], value, strict=False):
            # In a command line the option before a value names it; other elements have no name.
            option = before[2:].replace("-", "_") if isinstance(before, str) and before.startswith("--") else ""
            yield from _leaves(part, (*names, option))
    elif value is not None:
        yield Value(place, names, str(value))


def _page(text: str) -> Iterator[Value]:
    """Yield the cells of the tables of a page by their columns, and attributes, scripts, comments and other lines."""
    # Bytes, because lxml refuses text with an XML declaration, which SVG files have.
    page = html.document_fromstring(text.encode() or b"<p>", html.HTMLParser(encoding="utf-8"))
    for element in page.iter(etree.Element):
        yield from (Value(f"attribute {_shown(name)}", (), value) for name, value in element.attrib.items())
    for comment in COMMENT.findall(text):
        yield from _lines(comment)
    for table in list(page.iter("table")):
        rows = ([" ".join(cell.text_content().split()) for cell in row.iter("th", "td")] for row in table.iter("tr"))
        header = next(rows, [])
        yield from (Value("header", (), name) for name in header)
        for number, cells in enumerate(rows, start=1):
            for name, cell in zip([*header, *[""] * len(cells)], cells, strict=False):
                yield Value(f"row {number} of a table, column {_shown(name)}", (name,), cell, True)
        table.drop_tree()
    # A space between elements, or the number in one would end with that of the next.
    yield from _lines(re.sub(" +", " ", " ".join(page.itertext())))


def _lines(text: str) -> Iterator[Value]:
    """Yield the lines of a text, and the cells of its Markdown tables by their columns."""
    header: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if "|" in line else []
        for name, cell in zip(header, cells, strict=False):
            if cell.strip(":-"):
                yield Value(f"line {number}, column {_shown(name)}", (name,), cell, True)
        if not (header and cells):
            yield Value(f"line {number}", (), line)
            header = cells
