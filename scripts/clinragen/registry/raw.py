"""The raw tables of MIMIC-III and MIMIC-IV: their files, their columns, and problems of a copy."""

import csv
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from clinragen.config.datasets import Dataset, Datasets
from clinragen.errors import UserError

DECLARATION = Path(__file__).resolve().parents[3] / "resources" / "raw_tables.yaml"
OPEN_DEMO_PATIENTS = 100
LONGEST_HEADER = 100_000
# Value of datasets.*.release for intentionally modified tables, such as a filtered CHARTEVENTS.
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
# First bytes of formats that are not CSV.
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
def declaration(path: Path = DECLARATION) -> dict[str, Any]:
    """Return resources/raw_tables.yaml: per dataset its address, releases and, per table, file and columns.

    A step passes the path, which is one of its inputs; the workflow uses the default.
    """
    datasets: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return datasets


def files_of(dataset: str, directory: str | Path, table: str) -> list[Path]:
    """Return all files in a directory that can be this table: .csv or .csv.gz, in upper or lower case.

    Several links to the same file count once.
    """
    declared = Path(directory, declaration()[dataset]["tables"][table]["file"] + ".csv.gz")
    names = {declared.name.lower(), declared.name.removesuffix(".gz").lower()}
    # The notes of MIMIC-IV are a separate module: its directory or the `note` directory in it may be given.
    parents = dict.fromkeys([declared.parent, Path(directory)] if table == "noteevents" else [declared.parent])
    files = [p for parent in parents for p in sorted(_listing(parent), reverse=True) if p.name.lower() in names]
    different: dict[Path, Path] = {}
    for path in files:
        different.setdefault(path.resolve(), path)
    return list(different.values())


def raw_path(dataset: str, directory: str | Path, table: str) -> Path:
    """Return the file of a table in a directory; without one, the path of a new file (.csv.gz).

    If there are several, `problems` refuses the directory.
    """
    files = files_of(dataset, directory, table)
    return files[0] if files else Path(directory, declaration()[dataset]["tables"][table]["file"] + ".csv.gz")


def table_of(path: Path) -> str:
    """Return the table in a raw file, by its name."""
    name = path.name.lower().removesuffix(".gz").removesuffix(".csv")
    return SAME_TABLE.get(name, name)


def release_of(dataset: str, patients: int, icustays: int, declared: Path = DECLARATION) -> str | None:
    """Return the release whose tables PATIENTS and ICUSTAYS have these numbers of rows, or None."""
    counts = {"patients": patients, "icustays": icustays}
    releases = declaration(declared)[dataset]["releases"]
    return next((name for name, rows in releases.items() if counts.items() <= rows.items()), None)


def unknown_release(dataset: str, release: str, declared: Path = DECLARATION) -> str | None:
    """Return why a value of datasets.*.release cannot be used, or None."""
    releases = [*declaration(declared)[dataset]["releases"], ANY_RELEASE]
    if release in releases:
        return None
    return f"datasets.{dataset}.release: unknown release {release!r}; known releases: {', '.join(releases)}"


def problems(datasets: Datasets, unlisted_codes: bool, notes: bool = True) -> list[str]:
    """Return all problems of the configured raw directories, one line each.

    `unlisted_codes` is `extract.diagnoses.unlisted_codes`: if false, the dictionary of codes is needed.
    `notes` says whether notes are needed.
    """
    lines: list[str] = []
    for name, title in TITLES.items():
        dataset = getattr(datasets, name)
        if dataset is not None:
            dataset_lines = _problems_of_lists(name, dataset)
            if dataset.source != "synthetic":
                dataset_lines += _problems_of(name, dataset, unlisted_codes, notes)
            lines += [f"{title}: {line}" for line in dataset_lines]
    return lines


def _problems_of_lists(name: str, dataset: Dataset) -> list[str]:
    lists = {"test_list": dataset.test_list, "validation_list": dataset.validation_list}
    # Snakemake would consider a split up to date although its list is missing.
    return [
        f"datasets.{name}.{key}: {path} is not a file; correct it in {LOCAL}"
        for key, path in lists.items()
        if path and not Path(path).is_file()
    ]


def _problems_of(name: str, dataset: Dataset, unlisted_codes: bool, notes: bool) -> list[str]:
    if dataset.raw is None:
        return [
            f"datasets.{name}.raw is not set; set it in {LOCAL} to the directory of your copy, "
            f"or set datasets.{name} to null to omit the dataset"
        ]
    if lines := _problems_of_directory(name, "raw", Path(dataset.raw)):
        return lines
    if dataset.release is not None and (line := unknown_release(name, dataset.release)):
        lines.append(line)
    if name == "mimic4" and Path(dataset.raw, "core").is_dir():
        lines.append(
            f"{Path(dataset.raw, 'core')}: only MIMIC-IV 1.0 and older have this directory; use release 2.x or 3.x"
        )
    needed = {None: True, "synthetic_notes": dataset.synthetic_notes, "unlisted_codes": not unlisted_codes}
    for table, facts in declaration()[name]["tables"].items():
        if not needed[facts.get("only_for")]:
            continue
        if table != "noteevents":
            lines += _problems_of_table(name, dataset, Path(dataset.raw), table)
        elif notes and not dataset.synthetic_notes:
            directory = Path(dataset.notes or dataset.raw)
            directory_lines = _problems_of_directory(name, "notes", directory) if dataset.notes else []
            lines += directory_lines or _problems_of_table(name, dataset, directory, table)
    return lines


def _problems_of_directory(name: str, key: str, directory: Path) -> list[str]:
    setting = f"datasets.{name}.{key}"
    try:
        if directory.is_file():
            return [f"{setting}: {directory} is a file; set {setting} in {LOCAL} to the directory that contains it"]
        if not directory.is_dir():
            return [f"{setting}: {directory} is not a directory; correct it in {LOCAL}"]
    except PermissionError:
        return [f"{setting}: no permission to enter the directory of {directory}; fix its permissions"]
    if not os.access(directory, os.R_OK | os.X_OK):
        return [f"{setting}: no permission to read {directory}; fix its permissions"]
    if any(files_of(name, directory, table) for table in MARKS[key]):
        return []
    # The parent of a release, as in mimiciii/1.4, or of the tree that wget creates.
    below = [d for pattern in ("*/", "*/*/") for d in sorted(directory.glob(pattern))]
    copies = [str(d) for d in below if all(files_of(name, d, table) for table in MARKS[key])]
    if copies:
        below_it = "the directory of a release is below it" if len(copies) == 1 else "several releases are below it"
        return [
            f"{setting}: {directory} has no tables itself, but {below_it}; set {setting} in {LOCAL} to "
            f"{' or '.join(copies)}"
        ]
    return []


def _problems_of_table(name: str, dataset: Dataset, directory: Path, table: str) -> list[str]:
    files = files_of(name, directory, table)
    if len(files) > 1:
        return [f"{' and '.join(map(str, files))} are both table {table}; remove or rename all but one"]
    path = raw_path(name, directory, table)
    if path.is_dir():
        return [f"{path} is a directory; replace it by the file inside it"]
    if path.is_symlink() and not path.exists():
        return [f"{path} is a link to {path.readlink()}, which does not exist; correct the link"]
    if not path.exists():
        return [_missing(name, path, table)]
    lines = problems_of_file(name, table, path)
    if not lines and table == "patients" and dataset.source == "open-demo" and _exceeds_open_demo(path):
        # Checked, because this label decides where text may be sent.
        return [
            f"{path} has more than {OPEN_DEMO_PATIENTS} patients, so it is not the open demo; "
            f"set datasets.{name}.source to 'folder'"
        ]
    return lines


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
    """Return the problem of a table's raw file, judged by its first bytes, header and first row: at most one line."""
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
    """Return the columns of a header that the table has in no known release."""
    return [c for c in header if c not in declaration(declared)[dataset]["tables"][table]["columns"]]


def columns_of(path: Path) -> list[str]:
    """Return the column names of a CSV file in lower case; UserError if it is not a CSV file in UTF-8."""
    with _unpacked(path) as file:
        # Only the header is decoded: the step reports bad bytes further down with their line.
        start = file.read(LONGEST_HEADER)
        if problem := _not_csv(start):
            raise UserError(f"{path} {problem}")
        header = start.partition(b"\n")[0].decode("utf-8-sig")
        return [c.strip().lower() for c in next(csv.reader([header]), [])]


def has_more_rows(path: Path, most: int) -> bool:
    """Return whether a CSV file without line breaks in its fields has more than `most` rows; reads no further."""
    with _unpacked(path) as file:
        rows = (line for line in file if line.strip())
        return sum(1 for _ in islice(rows, most + 2)) > most + 1  # with the header


def has_open_quote(path: Path) -> bool:
    """Return whether a CSV file has an unpaired quotation mark; reads the whole file."""
    with _unpacked(path) as file:
        return sum(piece.count(b'"') for piece in iter(lambda: file.read(1 << 20), b"")) % 2 == 1


def is_gzip(path: Path) -> bool:
    """Return whether a raw file is compressed, by its name."""
    return path.suffix.lower() == ".gz"


def _not_csv(start: bytes) -> str | None:
    """Return why a file cannot be a table of MIMIC, with a remedy, judged by its first (unpacked) bytes."""
    if not start.strip(b"\0"):
        return "contains only zero bytes; download it again" if start else "is empty; download it again"
    if start.startswith(UTF_16) or b"\0" in start:
        return "is not encoded in UTF-8 but probably in UTF-16; convert it: iconv -f UTF-16 -t UTF-8"
    if start.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(WEB_PAGE):
        return "is a web page, not a table (expired login or wrong address); download it again"
    if b"\r" in start and b"\n" not in start:
        return r"ends its lines with CR alone; convert it: tr '\r' '\n'"
    header = start.partition(b"\n")[0]
    other = next((words for mark, words in SEPARATORS.items() if mark.encode() in header and b"," not in header), None)
    return f"separates its fields with {other}; save it again with commas" if other else None


@contextmanager
def _unpacked(path: Path) -> Iterator[io.BufferedIOBase]:
    """Open a CSV file, unpacking it if it is compressed; UserError with the cause if it cannot be read.

    Messages do not quote the file, which may contain anything.
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
            if kind != "gzip":
                yield raw
                return
            with gzip.open(raw) as file:
                yield file
    except EOFError:
        raise UserError(f"{path} cannot be read: it ends too early; download it again") from None
    except (gzip.BadGzipFile, zlib.error):
        raise UserError(
            f"{path} cannot be read: corrupted gzip data or extra bytes after its end; download it again"
        ) from None
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror or error}; check the file and its permissions"
        ) from None
    except (UnicodeDecodeError, csv.Error):
        raise UserError(f"{path} cannot be read: its header is not CSV in UTF-8; download it again") from None


def _exceeds_open_demo(path: Path) -> bool:
    try:
        return has_more_rows(path, OPEN_DEMO_PATIENTS)
    except UserError:
        return False  # reported by the step that reads the whole file


def _listing(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []
