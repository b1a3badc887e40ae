"""The raw tables of MIMIC-III and MIMIC-IV: where they are, their columns, and what is wrong with a copy."""

import csv
import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import yaml

from clinragen.config.datasets import Dataset, Datasets
from clinragen.errors import UserError

DECLARATION = Path(__file__).resolve().parents[3] / "resources" / "raw_tables.yaml"
OPEN_DEMO_PATIENTS = 100
LONGEST_HEADER = 100_000
# Value of datasets.*.release for tables that were changed on purpose, such as a filtered CHARTEVENTS.
ANY_RELEASE = "any"
# The users' own settings; config.yaml is tracked by git.
LOCAL = "config/local.yaml"
TITLES = {"mimic3": "MIMIC-III", "mimic4": "MIMIC-IV"}
NOTES = {
    "mimic3": "the directory that contains NOTEEVENTS",
    "mimic4": "your copy of MIMIC-IV-Note (a separate download)",
}
# MIMIC-IV calls its discharge notes differently; the workflow uses one name.
SAME_TABLE = {"discharge": "noteevents"}
# A directory with these tables is a copy of a release.
MARKS = {"raw": ("patients", "icustays"), "notes": ("noteevents",)}
# First bytes of the formats in which a table may be by mistake.
FORMATS = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "ZIP",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"7z\xbc\xaf": "7-Zip",
    b"PAR1": "Parquet",
}
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
WEB_PAGE = (b"<!doctype", b"<html", b"<?xml")
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@cache
def declaration(path: Path = DECLARATION) -> dict:
    """resources/raw_tables.yaml: per dataset its address, releases and, per table, file and columns.

    A step passes the path, which is one of its inputs; the workflow itself uses the default.
    """
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def files_of(dataset: str, directory: str | Path, table: str) -> list[Path]:
    """All files of a directory that can be this table, in any case, .csv or .csv.gz.

    Several links to one file count once.
    """
    wanted = Path(directory, declaration()[dataset]["tables"][table]["file"] + ".csv.gz")
    names = {wanted.name.lower(), wanted.name.removesuffix(".gz").lower()}
    # The notes of MIMIC-IV are a separate module: its directory or the `note` directory in it may be given.
    parents = dict.fromkeys([wanted.parent, Path(directory)] if table == "noteevents" else [wanted.parent])
    files = [p for parent in parents for p in sorted(_listing(parent), reverse=True) if p.name.lower() in names]
    different: dict[Path, Path] = {}
    for path in files:
        different.setdefault(path.resolve(), path)
    return list(different.values())


def raw_path(dataset: str, directory: str | Path, table: str) -> Path:
    """The file of a table in a directory; without one, the name under which a new file would be made (.csv.gz).

    Where there are several, `problems` refuses the directory.
    """
    files = files_of(dataset, directory, table)
    return files[0] if files else Path(directory, declaration()[dataset]["tables"][table]["file"] + ".csv.gz")


def table_of(path: Path) -> str:
    """The table that a raw file holds, by its name."""
    name = path.name.lower().removesuffix(".gz").removesuffix(".csv")
    return SAME_TABLE.get(name, name)


def release_of(dataset: str, patients: int, icustays: int, declared: Path = DECLARATION) -> str | None:
    """The release whose tables PATIENTS and ICUSTAYS have these numbers of rows, or None."""
    counts = {"patients": patients, "icustays": icustays}
    releases = declaration(declared)[dataset]["releases"]
    return next((name for name, rows in releases.items() if counts.items() <= rows.items()), None)


def unknown_release(dataset: str, release: str, declared: Path = DECLARATION) -> str | None:
    """Why a value of datasets.*.release cannot be used, or None."""
    known = [*declaration(declared)[dataset]["releases"], ANY_RELEASE]
    if release in known:
        return None
    return f"datasets.{dataset}.release: unknown release {release!r}; known releases: {', '.join(known)}"


def problems(datasets: Datasets, unlisted_codes: bool, notes: bool = True) -> list[str]:
    """Everything that is wrong with the configured raw directories, a line each; empty when all is well.

    `unlisted_codes` is `extract.diagnoses.unlisted_codes`: without them the dictionary of codes is needed.
    `notes` says whether notes are needed.
    """
    lines: list[str] = []
    for name, title in TITLES.items():
        dataset = getattr(datasets, name)
        if dataset is not None:
            found = _problems_of_lists(name, dataset)
            if dataset.source != "synthetic":
                found += _problems_of(name, dataset, unlisted_codes, notes)
            lines += [f"{title}: {line}" for line in found]
    return lines


def _problems_of_lists(name: str, dataset: Dataset) -> list[str]:
    lists = {"test_list": dataset.test_list, "validation_list": dataset.validation_list}
    # Snakemake would take the split that was made from a missing list for up to date.
    return [
        f"datasets.{name}.{key}: {path} is not a file; correct it in {LOCAL}"
        for key, path in lists.items()
        if path and not Path(path).is_file()
    ]


def _problems_of(name: str, dataset: Dataset, unlisted_codes: bool, notes: bool) -> list[str]:
    if dataset.raw is None:
        return [
            f"datasets.{name}.raw is not set; set it in {LOCAL} to the directory of your copy, "
            f"or set datasets.{name} to null to leave the dataset out"
        ]
    if lines := _problems_of_directory(name, "raw", Path(dataset.raw)):
        return lines
    if dataset.release is not None and (line := unknown_release(name, dataset.release)):
        lines.append(line)
    if name == "mimic4" and Path(dataset.raw, "core").is_dir():
        lines.append(
            f"{Path(dataset.raw, 'core')}: only MIMIC-IV 1.0 and older have this directory; 2.x or 3.x is needed"
        )
    wanted = {None: True, "synthetic_notes": dataset.synthetic_notes, "unlisted_codes": not unlisted_codes}
    for table, facts in declaration()[name]["tables"].items():
        if not wanted[facts.get("only_for")]:
            continue
        if table != "noteevents":
            lines += _problems_of_table(name, dataset, Path(dataset.raw), table)
        elif notes and not dataset.synthetic_notes:
            directory = Path(dataset.notes or dataset.raw)
            found = _problems_of_directory(name, "notes", directory) if dataset.notes else []
            lines += found or _problems_of_table(name, dataset, directory, table)
    return lines


def _problems_of_directory(name: str, key: str, directory: Path) -> list[str]:
    setting = f"datasets.{name}.{key}"
    if directory.is_file():
        return [f"{setting}: {directory} is a file; set {setting} in {LOCAL} to the directory that contains it"]
    if not directory.is_dir():
        return [f"{setting}: {directory} is not a directory"]
    if not os.access(directory, os.R_OK | os.X_OK):
        return [f"{setting}: no permission to read {directory}"]
    if any(files_of(name, directory, table) for table in MARKS[key]):
        return []
    # The parent of a release, as in mimiciii/1.4, or of the tree that wget makes.
    below = [d for pattern in ("*/", "*/*/") for d in sorted(directory.glob(pattern))]
    copies = [str(d) for d in below if all(files_of(name, d, table) for table in MARKS[key])]
    if copies:
        one = "the directory of a release is below it" if len(copies) == 1 else "several releases are below it"
        return [f"{setting}: {directory} has no tables itself, but {one}; set {setting} in {LOCAL} to "
                f"{' or '.join(copies)}"]  # fmt: skip
    return []


def _problems_of_table(name: str, dataset: Dataset, directory: Path, table: str) -> list[str]:
    files = files_of(name, directory, table)
    if len(files) > 1:
        return [f"{' and '.join(map(str, files))} are both table {table}; remove or rename all but one"]
    path = raw_path(name, directory, table)
    if path.is_dir():
        return [f"{path} is a directory; move the file out of it to this place"]
    if path.is_symlink() and not path.exists():
        return [f"{path} is a link to {path.readlink()}, which does not exist"]
    if not path.exists():
        return [_missing(name, path, table)]
    found = problems_of_file(name, table, path)
    if not found and table == "patients" and dataset.source == "open-demo" and _exceeds_open_demo(path):
        # The label decides where text may go, so it is not taken on trust.
        return [
            f"{path} has more than {OPEN_DEMO_PATIENTS} patients, so it is not the open demo: "
            f"datasets.{name}.source must be folder"
        ]
    return found


def _missing(name: str, path: Path, table: str) -> str:
    line = f"{path.with_suffix('')}[.gz] is missing"
    if path.parent.is_file():
        line += f" because {path.parent} is a file, not a directory"
    if table == "noteevents":
        line += (
            f"; set datasets.{name}.notes in {LOCAL} to {NOTES[name]}. "
            "Without notes, the target export_benchmark still works"
        )
    return line


def problems_of_file(dataset: str, table: str, path: Path, declared: Path = DECLARATION) -> list[str]:
    """What is wrong with the raw file of a table, by its first bytes, header and first row: at most one line."""
    try:
        header = columns_of(path)
        empty = not has_more_rows(path, 0)
    except UserError as error:
        return [str(error)]
    missing = [c for c in declaration(declared)[dataset]["tables"][table]["needed"] if c not in header]
    if missing:
        return [f"{path}: missing column{'s' * (len(missing) > 1)} {', '.join(missing)}"]
    return [f"{path} has no rows"] if empty else []


def undeclared(dataset: str, table: str, header: list[str], declared: Path = DECLARATION) -> list[str]:
    """Columns of a header that the table has in no known release."""
    return [c for c in header if c not in declaration(declared)[dataset]["tables"][table]["columns"]]


def columns_of(path: Path) -> list[str]:
    """Column names of a CSV file, in lower case; UserError says why a file is not a CSV in UTF-8."""
    with _unpacked(path) as file:
        # Only the header is decoded: what is not text further down is reported with its line.
        start = file.read(LONGEST_HEADER)
        if problem := _not_csv(start):
            raise UserError(f"{path} {problem}")
        header = start.partition(b"\n")[0].decode("utf-8-sig")
        return [c.strip().lower() for c in next(csv.reader([header]), [])]


def has_more_rows(path: Path, most: int) -> bool:
    """Whether a CSV file without line breaks in its fields has more than `most` rows; reads no further."""
    with _unpacked(path) as file:
        rows = (line for line in file if line.strip())
        return sum(1 for _ in islice(rows, most + 2)) > most + 1  # with the header


def has_open_quote(path: Path) -> bool:
    """Whether a CSV file has a quotation mark without its pair; reads the whole file."""
    with _unpacked(path) as file:
        return sum(piece.count(b'"') for piece in iter(lambda: file.read(1 << 20), b"")) % 2 == 1


def is_gzip(path: Path) -> bool:
    """Whether a raw file is compressed, by its name."""
    return path.suffix.lower() == ".gz"


def _not_csv(start: bytes) -> str | None:
    """Why a file cannot be a table of MIMIC and the remedy, by its first (unpacked) bytes; None where it can."""
    if not start.strip(b"\0"):
        return "contains only zero bytes; download it again" if start else "is empty; download it again"
    if start.startswith(UTF_16) or b"\0" in start:
        return "is not encoded in UTF-8 but probably in UTF-16; convert it: iconv -f UTF-16 -t UTF-8"
    if start.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(WEB_PAGE):
        return "is a web page, not a table (an expired login or a wrong address); download it again"
    if b"\r" in start and b"\n" not in start:
        return r"ends its lines with CR alone; convert it: tr '\r' '\n'"
    header = start.partition(b"\n")[0]
    other = next((words for mark, words in SEPARATORS.items() if mark.encode() in header and b"," not in header), None)
    return f"separates its fields with {other}; save it again with commas" if other else None


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a CSV file, unpacked by its name; UserError with the cause where they cannot be read.

    Messages never quote the file: the bytes of one that is not text may be anything.
    """
    try:
        with path.open("rb") as raw:
            start = raw.read(8)
            raw.seek(0)
            kind = next((name for magic, name in FORMATS.items() if start.startswith(magic)), None)
            if kind == "gzip" and not is_gzip(path):
                raise UserError(f"{path} is compressed with gzip; rename it to {path.name}.gz")
            if kind not in (None, "gzip"):
                raise UserError(f"{path} is a {kind} file; convert it to .csv or .csv.gz")
            if kind is None and start and is_gzip(path):
                raise UserError(f"{path} cannot be read: not compressed with gzip; rename it if it is text")
            with gzip.open(raw) if kind == "gzip" else raw as file:
                yield file
    except EOFError:
        raise UserError(f"{path} cannot be read: it ends too early; download it again") from None
    except (gzip.BadGzipFile, zlib.error):
        raise UserError(
            f"{path} cannot be read: corrupted gzip data or extra bytes after its end; download it again"
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error):
        raise UserError(f"{path} cannot be read: its header is not CSV in UTF-8") from None


def _exceeds_open_demo(path: Path) -> bool:
    try:
        return has_more_rows(path, OPEN_DEMO_PATIENTS)
    except UserError:
        return False  # the step that reads the whole file reports what is wrong


def _listing(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []
