"""The CSV files of ratings: written as the forms write them, read with every problem of every file named at once.

A file that went through a spreadsheet is read where its meaning is certain: a byte order mark, CRLF, semicolons in
place of commas, blanks around fields, empty lines, another order of rows, and whole numbers as 4.0 or 4,0. All else is
refused.
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
"""`cell` repeats rater, item, letter and criterion: where a spreadsheet has sorted one column alone, they differ."""
_WHOLE = re.compile(r"(\d+)(?:[.,]0+)?")
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?")

Cell = tuple[int, str, str]
"""Item, letter and criterion in the form of one rater."""


@dataclass
class _File:
    """What could be read of a file; `rater` is None where that is not certain."""

    name: str
    rater: str | None = None
    values: dict[Cell, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def response_files(paths: Sequence[Path]) -> list[Path]:
    """The CSV files among these files and in these directories; UserError if there is none."""
    found = [file for path in paths for file in (sorted(path.glob("*.csv")) if path.is_dir() else [path])]
    if not found:
        raise UserError(
            "evaluate.study.responses: no .csv file; set it to the directory of the files that the forms saved"
        )
    return found


def read_responses(files: Sequence[Path], key: pa.Table, absent: Sequence[str]) -> pa.Table:
    """The ratings in the files (STUDY_RATINGS, all counted), for the forms of a key (STUDY_KEY).

    Raters in `absent` sent nothing. UserError lists every problem of every file with rater, item and criterion.
    """
    rows = key.to_pylist()
    wanted = _cells_of_raters(rows)
    read = [_read_file(path, rows[0]["study"], wanted) for path in files]
    problems = [f"{file.name}: {problem}" for file in read for problem in file.problems]
    by_rater: dict[str, list[_File]] = {}
    for file in read:
        if file.rater is not None:
            by_rater.setdefault(file.rater, []).append(file)
    problems += _problems_of_raters(by_rater, list(wanted), absent)
    if problems:
        raise UserError(
            "\n".join(
                [
                    "the ratings cannot be imported; to fix a file, restore it in the rater's form and save it again:",
                    *(f"  - {problem}" for problem in problems),
                ]
            )
        )
    values = {rater: files_of_rater[0].values for rater, files_of_rater in by_rater.items()}
    return _ratings(rows, values)


def write_responses(study: str, rater: str, values: Mapping[Cell, int], path: Path) -> None:
    """Write ratings of one rater as the form writes them."""
    lines = [COLUMNS, *((study, rater, *cell, value, cell_name(rater, cell)) for cell, value in values.items())]
    path.write_text("".join(",".join(map(str, line)) + "\n" for line in lines), encoding="utf-8")


def cell_name(rater: str, cell: Cell) -> str:
    """Name of a cell, as in column `cell`."""
    return "/".join((rater, *map(str, cell)))


def cells_of(rows: Sequence[Mapping], rater: str) -> list[Cell]:
    """The cells that a rater fills in, by the rows of a key, in the order of the form."""
    texts = [(row["item"], row["letter"]) for row in rows if row["rater"] == rater and not row["without_text"]]
    return [(item, letter, criterion) for item, letter in texts for criterion in CRITERIA]


def _cells_of_raters(rows: Sequence[Mapping]) -> dict[str, list[Cell]]:
    return {rater: cells_of(rows, rater) for rater in dict.fromkeys(row["rater"] for row in rows)}


def _read_file(path: Path, study: str, wanted: Mapping[str, list[Cell]]) -> _File:
    """The ratings of one file, and what is wrong with it."""
    file = _File(path.name)
    lines = _lines(path, file)
    if lines is None or not _is_of(lines, file, study, wanted):
        return file
    rater = file.rater = lines[0][1]["rater"]
    known, seen = set(wanted[rater]), dict[Cell, int]()
    for number, line in lines:
        cell = _cell(line)
        if cell is None or cell not in known:
            place = f"item {line['item']}, text {line['letter']}, {line['criterion']}"
            file.problems.append(f"rater {rater}: line {number}: {place} is not in the form of this rater")
            continue
        place = f"rater {rater}: item {cell[0]}, text {cell[1]}, {cell[2]}"
        if line["cell"] != cell_name(rater, cell):
            file.problems.append(
                f"{place}: line {number} belongs to {line['cell'] or 'no cell'}; a column was sorted or edited "
                "separately; restore the original file"
            )
        elif cell in seen:
            file.problems.append(f"{place}: rated twice, in lines {seen[cell]} and {number}; keep one of them")
        else:
            value = _value(line["value"])
            if isinstance(value, str):
                file.problems.append(f"{place}: {value}")
            else:
                file.values[cell] = value
        seen.setdefault(cell, number)
    file.problems += _missing(rater, [cell for cell in wanted[rater] if cell not in seen], wanted[rater])
    return file


def _lines(path: Path, file: _File) -> list[tuple[int, dict[str, str]]] | None:
    """The lines of a file by column, with their numbers; None if they cannot be read."""
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        file.problems.append("encoded in UTF-16 (“Unicode text”); save it as CSV UTF-8")
        return None
    if content.startswith(b"PK\x03\x04"):
        file.problems.append("a spreadsheet workbook, not a CSV file; save it as CSV UTF-8")
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        file.problems.append(f"not UTF-8 (byte {error.start}); save it as CSV UTF-8")
        return None
    separator = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        file.problems.append(f"line {reader.line_num}: {error}; save it as CSV UTF-8")
        return None
    rows = [(number, row) for number, row in rows if any(row)]
    header = rows[0][1] if rows else []
    if sorted(header) != sorted(COLUMNS):
        file.problems.append(
            f"its first line is {separator.join(header) or 'empty'!r} instead of {','.join(COLUMNS)}, so no form "
            "saved it; collect the file that the form saved"
        )
        return None
    if len(rows) == 1:
        file.problems.append("contains no ratings; collect the file that the form saved")
        return None
    uneven = [(number, len(row)) for number, row in rows[1:] if len(row) != len(header)]
    decimal = "; a decimal comma in a file with commas? Save it with semicolons" if separator == "," else ""
    file.problems += [
        f"line {number} has {length} fields instead of {len(header)}{decimal}" for number, length in uneven
    ]
    found = [(number, dict(zip(header, row, strict=True))) for number, row in rows[1:] if len(row) == len(header)]
    return found or None


def _is_of(lines: list[tuple[int, dict[str, str]]], file: _File, study: str, wanted: Mapping[str, list[Cell]]) -> bool:
    """Whether a file is of one rater of this study, without which its items mean nothing."""
    studies, raters = (sorted({line[name] for _, line in lines}) for name in ("study", "rater"))
    if studies != [study]:
        others = ", ".join(name or "(blank)" for name in studies if name != study)
        file.problems.append(
            f"rater {', '.join(raters)}: belongs to another study, {others} instead of {study}, so its letters mean "
            "other systems; find the file of this study, or use the configuration that made its form"
        )
        return False
    if len(raters) > 1:
        file.problems.append(f"has ratings of several raters, {', '.join(raters)}; save one file per rater")
        return False
    if raters[0] not in wanted:
        file.problems.append(
            f"rater {raters[0] or '(blank)'} has no form in this study; its raters are {', '.join(wanted)}"
        )
        return False
    return True


def _cell(line: Mapping[str, str]) -> Cell | None:
    whole = _WHOLE.fullmatch(line["item"])
    return (int(whole[1]), line["letter"], line["criterion"]) if whole else None


def _value(text: str) -> int | str:
    """A rating, or what is wrong with it."""
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


def _missing(rater: str, cells: Sequence[Cell], wanted: Sequence[Cell]) -> Iterator[str]:
    """Cells without a line: one problem for an item without any line, else one for each cell."""
    of_item: dict[int, list[Cell]] = {}
    for cell in cells:
        of_item.setdefault(cell[0], []).append(cell)
    for item, missing in of_item.items():
        if len(missing) == sum(cell[0] == item for cell in wanted):
            yield f"rater {rater}: item {item}: missing with all its {len(missing)} ratings"
        else:
            yield from (f"rater {rater}: item {item}, text {cell[1]}, {cell[2]}: missing" for cell in missing)


def _problems_of_raters(
    by_rater: Mapping[str, Sequence[_File]], raters: Sequence[str], absent: Sequence[str]
) -> Iterator[str]:
    """Raters with several files, without a file, or with one although they are listed as absent."""
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


def _ratings(rows: Sequence[Mapping], values: Mapping[str, Mapping[Cell, int]]) -> pa.Table:
    kept = ("rater", "item", "letter", "kind", "stay_id", "system", "expected")
    found = []
    for row in rows:
        if row["rater"] not in values or row["without_text"]:
            continue
        same = {name: row[name] for name in kept} | {"counted": True}
        for criterion in CRITERIA:
            value = values[row["rater"]][row["item"], row["letter"], criterion]
            found.append(same | {"criterion": criterion, "value": value})
    return pa.Table.from_pylist(found, schema=STUDY_RATINGS.schema)
