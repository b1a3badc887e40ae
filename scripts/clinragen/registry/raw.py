"""The raw tables of MIMIC-III and MIMIC-IV: where they lie and what columns they must have."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import yaml

from clinragen.config.datasets import Dataset, Datasets

DECLARATION = Path(__file__).resolve().parents[3] / "resources" / "raw_tables.yaml"
OPEN_DEMO_PATIENTS = 100
LONGEST_HEADER = 100_000
TITLES = {"mimic3": "MIMIC-III", "mimic4": "MIMIC-IV"}
# MIMIC-IV calls its discharge notes differently; the workflow uses one name.
SAME_TABLE = {"discharge": "noteevents"}
# What reading a file that is damaged or no CSV may raise.
UNREADABLE = (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error)


@cache
def declaration(path: Path = DECLARATION) -> dict:
    """resources/raw_tables.yaml: per dataset its address, releases and, per table, file and columns.

    A step gives the path, which is one of its inputs; only the workflow itself, before any step, does without.
    """
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def raw_path(dataset: str, folder: str | Path, table: str) -> Path:
    """The file of a table in a folder, of any case and with or without .gz.

    Where there is none, the name under which a new file would be made (.csv.gz).
    """
    wanted = Path(folder, declaration()[dataset]["tables"][table]["file"] + ".csv.gz")
    # The notes of MIMIC-IV are a module of their own: its folder or the `note` folder in it may be given.
    for parent in (wanted.parent, Path(folder)) if table == "noteevents" else (wanted.parent,):
        names = {wanted.name.lower(), wanted.name.removesuffix(".gz").lower()}
        found = sorted(p for p in _listing(parent) if p.name.lower() in names)
        if found:
            return found[-1]  # .csv.gz before .csv
    return wanted


def table_of(path: Path) -> str:
    """The table that a raw file holds, by its name."""
    name = path.name.lower().removesuffix(".gz").removesuffix(".csv")
    return SAME_TABLE.get(name, name)


def release_of(dataset: str, patients: int, icustays: int, declared: Path = DECLARATION) -> str | None:
    """The release whose tables PATIENTS and ICUSTAYS have so many rows, or None."""
    counts = {"patients": patients, "icustays": icustays}
    return next((name for name, rows in declaration(declared)[dataset]["releases"].items() if rows == counts), None)


def problems(datasets: Datasets, unlisted_codes: bool, notes: bool = True) -> list[str]:
    """Everything that is wrong with the configured raw folders, a line each; empty when all is well.

    `unlisted_codes` is `extract.diagnoses.unlisted_codes`: without them the dictionary of codes is needed. `notes`
    tells whether notes are.
    """
    lines: list[str] = []
    for name, title in TITLES.items():
        dataset = getattr(datasets, name)
        if dataset is not None and dataset.source != "synthetic":
            lines += [f"{title}: {line}" for line in _problems_of(name, dataset, unlisted_codes, notes)]
    return lines


def not_ready(datasets: Datasets, lines: list[str]) -> str:
    """One message out of all that is missing, with where to get access and what works without."""
    access = [declaration()[n]["access"] for n in TITLES if getattr(datasets, n) is not None]
    return "\n".join(
        [
            "not everything is ready for this run:",
            *(f"  - {line}" for line in lines),
            "",
            f"Where to get access: docs/data-access.md, {', '.join(access)}",
            "Without MIMIC: `make demo` runs the whole workflow on raw files made on the spot.",
        ]
    )


def _problems_of(name: str, dataset: Dataset, unlisted_codes: bool, notes: bool) -> list[str]:
    if dataset.raw is None:
        return [f"datasets.{name}.raw is not set; set it in config.yaml to the folder of your copy (null in "
                f"place of datasets.{name} leaves the dataset out)"]  # fmt: skip
    if not Path(dataset.raw).is_dir():
        return [f"datasets.{name}.raw: {dataset.raw} is no folder"]
    lines = []
    releases = declaration()[name]["releases"]
    if dataset.release is not None and dataset.release not in releases:
        lines.append(f"datasets.{name}.release: {dataset.release!r} is not known; known are {', '.join(releases)}")
    if name == "mimic4" and Path(dataset.raw, "core").is_dir():
        lines.append(f"{Path(dataset.raw, 'core')}: only MIMIC-IV 1.0 and older have this folder; 2.x or 3.x is needed")
    wanted = {None: True, "synthetic_notes": dataset.synthetic_notes, "unlisted_codes": not unlisted_codes}
    for table, facts in declaration()[name]["tables"].items():
        if not wanted[facts.get("only_for")]:
            continue
        if table == "noteevents" and (dataset.synthetic_notes or not notes):
            continue
        folder = dataset.notes if table == "noteevents" and dataset.notes else dataset.raw
        path = raw_path(name, folder, table)
        if not path.is_file():
            lines.append(f"{path.with_suffix('')}[.gz] is missing")
            continue
        found = problems_of_file(name, table, path)
        if not found and table == "patients" and dataset.source == "open-demo" and _is_no_open_demo(path):
            # The label decides where text may go, so it is not taken on trust.
            found.append(
                f"{path} has more than {OPEN_DEMO_PATIENTS} patients, so it is not the open demo: "
                f"datasets.{name}.source must be folder"
            )
        lines += found
    return lines


def problems_of_file(dataset: str, table: str, path: Path, declared: Path = DECLARATION) -> list[str]:
    """What is wrong with the raw file of a table, by its header and its first row: at most one line."""
    try:
        header = columns_of(path)
        empty = not has_more_rows(path, 0)
    except UNREADABLE as error:
        return [f"{path} can not be read: {why_unreadable(error)}"]
    lacking = [c for c in declaration(declared)[dataset]["tables"][table]["needed"] if c not in header]
    if lacking:
        return [f"{path} lacks the column{'s' * (len(lacking) > 1)} {', '.join(lacking)}"]
    return [f"{path} has no rows"] if empty else []


def undeclared(dataset: str, table: str, header: list[str], declared: Path = DECLARATION) -> list[str]:
    """Columns of a header that the table has in no release that we know."""
    return [c for c in header if c not in declaration(declared)[dataset]["tables"][table]["columns"]]


def why_unreadable(error: Exception) -> str:
    """Words for one of UNREADABLE; without the bytes, for those of a file that is no text are not to be told."""
    if isinstance(error, (EOFError, gzip.BadGzipFile, zlib.error)):
        return "it ends too early" if isinstance(error, EOFError) else "it is no gzip file, or a damaged one"
    return str(error) if isinstance(error, OSError) else type(error).__name__


def columns_of(path: Path) -> list[str]:
    """Column names of a CSV file, in lower case."""
    with _unpacked(path) as file:
        # No more than the header: what is no text further down is told by its line.
        header = file.readline(LONGEST_HEADER).decode("utf-8-sig")
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


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else raw as file:
        yield file


def _is_no_open_demo(path: Path) -> bool:
    try:
        return has_more_rows(path, OPEN_DEMO_PATIENTS)
    except UNREADABLE:
        return False  # the step that reads it to its end tells what is wrong


def _listing(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
