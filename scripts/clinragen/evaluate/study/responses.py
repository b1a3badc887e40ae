"""CSV files of ratings: written as the forms write them; read strictly, with all problems of all files in one error.

A file that went through a spreadsheet is accepted if its meaning is certain: a byte order mark, CRLF, semicolons
instead of commas, blanks around fields, empty lines, another order of rows, and integers as 4.0 or 4,0. Everything else
is refused.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from clinragen.errors import UserError
from clinragen.schemas.ratings import CRITERIA
from clinragen.schemas.study import STUDY_RATINGS

COLUMNS = ("study", "rater", "item", "letter", "criterion", "value", "cell")
"""`cell` repeats rater, item, letter and criterion, which reveals that a spreadsheet sorted a single column."""
_WHOLE = re.compile(r"(\d+)(?:[.,]0+)?")
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?")

Cell = tuple[int, str, str]
"""Item, letter and criterion in the form of one rater."""
Line = tuple[int, dict[str, str]]
"""Number of a line in its file, and its fields by column."""


class _Refused(Exception):
    """The reason why nothing of a file can be read."""


@dataclass
class _File:
    """The readable part of a file, and its problems; `rater` is None if uncertain."""

    name: str
    rater: str | None = None
    values: dict[Cell, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def response_files(paths: Sequence[Path]) -> list[Path]:
    """Return these files and the CSV files in these directories; UserError if there are none."""
    files = [file for path in paths for file in (sorted(path.glob("*.csv")) if path.is_dir() else [path])]
    if not files:
        raise UserError(
            "evaluate.study.responses: no .csv file; set it to the directory of the files that the forms saved"
        )
    return files


def read_responses(files: Sequence[Path], key: pa.Table, absent: Sequence[str]) -> pa.Table:
    """Return the ratings in the files (STUDY_RATINGS, all counted) for the forms of a key (STUDY_KEY).

    Raters in `absent` sent nothing. UserError lists every problem of every file with rater, item and criterion.
    """
    rows = key.to_pylist()
    cells = {rater: cells_of(rows, rater) for rater in dict.fromkeys(row["rater"] for row in rows)}
    read = [_read_file(path, rows[0]["study"], cells) for path in files]
    problems = [f"{file.name}: {problem}" for file in read for problem in file.problems]
    by_rater: dict[str, list[_File]] = {}
    for file in read:
        if file.rater is not None:
            by_rater.setdefault(file.rater, []).append(file)
    problems += _problems_of_raters(by_rater, list(cells), absent)
    if problems:
        heading = "the ratings cannot be imported; to fix a file, restore it in the rater's form and save it again:"
        raise UserError("\n".join([heading, *(f"  - {problem}" for problem in problems)]))
    return _ratings(rows, {rater: own[0].values for rater, own in by_rater.items()})


def write_responses(study: str, rater: str, values: Mapping[Cell, int], path: Path) -> None:
    """Write the ratings of one rater as the form does."""
    lines = [COLUMNS, *((study, rater, *cell, value, cell_name(rater, cell)) for cell, value in values.items())]
    path.write_text("".join(",".join(map(str, line)) + "\n" for line in lines), encoding="utf-8")


def cell_name(rater: str, cell: Cell) -> str:
    """Return the name of a cell, as in column `cell`."""
    return "/".join((rater, *map(str, cell)))


def cells_of(rows: Sequence[Mapping], rater: str) -> list[Cell]:
    """Return the cells that a rater fills in, from the rows of a key, in the order of the form."""
    texts = [(row["item"], row["letter"]) for row in rows if row["rater"] == rater and not row["without_text"]]
    return [(item, letter, criterion) for item, letter in texts for criterion in CRITERIA]


def _read_file(path: Path, study: str, cells: Mapping[str, list[Cell]]) -> _File:
    """Return the ratings and problems of one file; `cells` are those of each rater's form."""
    file = _File(path.name)
    try:
        lines, file.problems = _lines(path)
        rater = file.rater = _rater_of(lines, study, list(cells)) if lines else None
    except _Refused as reason:
        file.problems.append(str(reason))
        return file
    if rater is None:
        return file
    expected, seen = set(cells[rater]), dict[Cell, int]()
    for number, line in lines:
        cell = _cell(line)
        if cell is None or cell not in expected:
            where = f"item {line['item']}, text {line['letter']}, {line['criterion']}"
            file.problems.append(f"rater {rater}: line {number}: {where} is not in the form of this rater")
            continue
        where = f"rater {rater}: item {cell[0]}, text {cell[1]}, {cell[2]}"
        if line["cell"] != cell_name(rater, cell):
            file.problems.append(
                f"{where}: line {number} belongs to {line['cell'] or 'no cell'}; a column was sorted or edited "
                "separately; restore the original file"
            )
        elif cell in seen:
            file.problems.append(f"{where}: rated twice, in lines {seen[cell]} and {number}; keep one of them")
        else:
            value = _value(line["value"])
            if isinstance(value, str):
                file.problems.append(f"{where}: {value}")
            else:
                file.values[cell] = value
        seen.setdefault(cell, number)
    file.problems += _missing(rater, [cell for cell in cells[rater] if cell not in seen], cells[rater])
    return file


def _lines(path: Path) -> tuple[list[Line], list[str]]:
    """Return the lines of a file, and the problems of those left out."""
    text = _decoded(path.read_bytes())
    separator = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise _Refused(f"line {reader.line_num}: {error}; save it as CSV UTF-8") from None
    rows = [(number, row) for number, row in rows if any(row)]
    header = rows[0][1] if rows else []
    if sorted(header) != sorted(COLUMNS):
        raise _Refused(
            f"its first line is {separator.join(header) or 'empty'!r} instead of {','.join(COLUMNS)}, so no form "
            "saved it; collect the file that the form saved"
        )
    if len(rows) == 1:
        raise _Refused("contains no ratings; collect the file that the form saved")
    decimal = "; a decimal comma in a file with commas? Save it with semicolons" if separator == "," else ""
    return (
        [(number, dict(zip(header, row, strict=True))) for number, row in rows[1:] if len(row) == len(header)],
        [
            f"line {number} has {len(row)} fields instead of {len(header)}{decimal}"
            for number, row in rows[1:]
            if len(row) != len(header)
        ],
    )


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _Refused("encoded in UTF-16 (“Unicode text”); save it as CSV UTF-8")
    if content.startswith(b"PK\x03\x04"):
        raise _Refused("a spreadsheet workbook, not a CSV file; save it as CSV UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Refused(f"not UTF-8 (byte {error.start}); save it as CSV UTF-8") from None


def _rater_of(lines: Sequence[Line], study: str, known_raters: Sequence[str]) -> str:
    """Return the rater of a file; the letters of its items are meaningful only for one rater of this study."""
    studies, raters = (sorted({line[name] for _, line in lines}) for name in ("study", "rater"))
    if studies != [study]:
        others = ", ".join(name or "(blank)" for name in studies if name != study)
        raise _Refused(
            f"rater {', '.join(raters)}: belongs to another study, {others} instead of {study}, so its letters mean "
            "other systems; find the file of this study, or use the configuration that made its form"
        )
    if len(raters) > 1:
        raise _Refused(f"has ratings of several raters, {', '.join(raters)}; save one file per rater")
    if raters[0] not in known_raters:
        raise _Refused(
            f"rater {raters[0] or '(blank)'} has no form in this study; its raters are {', '.join(known_raters)}"
        )
    return raters[0]


def _cell(line: Mapping[str, str]) -> Cell | None:
    whole = _WHOLE.fullmatch(line["item"])
    return (int(whole[1]), line["letter"], line["criterion"]) if whole else None


def _value(text: str) -> int | str:
    """Return a rating, or the problem with it."""
    whole = _WHOLE.fullmatch(text)
    if whole and 1 <= int(whole[1]) <= 5:
        return int(whole[1])
    if not text:
        return "no rating (blank)"
    if whole or (_NUMBER.fullmatch(text) and text.startswith("-")):
        return f"{text} is outside 1 to 5"
    if _NUMBER.fullmatch(text):
        return f"{text} is not a whole number"
    return f"{text!r} is not a number from 1 to 5"


def _missing(rater: str, absent: Sequence[Cell], expected: Sequence[Cell]) -> Iterator[str]:
    """Yield the problems of cells without a line: one per item without any line, else one per cell."""
    of_item: dict[int, list[Cell]] = {}
    for cell in absent:
        of_item.setdefault(cell[0], []).append(cell)
    for item, missing in of_item.items():
        if len(missing) == sum(cell[0] == item for cell in expected):
            yield f"rater {rater}: item {item}: missing with all its {len(missing)} ratings"
        else:
            yield from (f"rater {rater}: item {item}, text {cell[1]}, {cell[2]}: missing" for cell in missing)


def _problems_of_raters(
    by_rater: Mapping[str, Sequence[_File]], raters: Sequence[str], absent: Sequence[str]
) -> Iterator[str]:
    """Yield the problems of raters with several files, without a file, or with one although listed as absent."""
    for rater, files in sorted(by_rater.items()):
        if len(files) > 1:
            yield f"rater {rater}: {len(files)} files, {', '.join(f.name for f in files)}; keep the one that counts"
        if rater in absent:
            yield (
                f"rater {rater}: {files[0].name}, although evaluate.study.exclusion.absent lists this rater; remove "
                "one of the two"
            )
    if missing := [rater for rater in raters if rater not in by_rater and rater not in absent]:
        yield (
            f"no readable file of rater {', '.join(missing)}; collect it, or list the rater in "
            "evaluate.study.exclusion.absent"
        )


def _ratings(rows: Sequence[dict], values: Mapping[str, Mapping[Cell, int]]) -> pa.Table:
    """Join the values of each rater to the rows of a key."""
    ratings = [
        row | {"counted": True, "criterion": criterion, "value": own[row["item"], row["letter"], criterion]}
        for row in rows
        if not row["without_text"] and (own := values.get(row["rater"])) is not None
        for criterion in CRITERIA
    ]
    return pa.Table.from_pylist(ratings, schema=STUDY_RATINGS.schema)
