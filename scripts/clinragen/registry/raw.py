"""The raw tables of MIMIC-III and MIMIC-IV: where they lie and what columns they must have."""

import csv
import gzip
import io
import zlib
from functools import cache
from itertools import islice
from pathlib import Path

import yaml

from clinragen.config.datasets import Dataset, Datasets

DECLARATION = Path(__file__).resolve().parents[3] / "resources" / "raw_tables.yaml"
OPEN_DEMO_PATIENTS = 100
TITLES = {"mimic3": "MIMIC-III", "mimic4": "MIMIC-IV"}


@cache
def declaration() -> dict:
    """resources/raw_tables.yaml: per dataset its address and, per table, file and columns."""
    return yaml.safe_load(DECLARATION.read_text(encoding="utf-8"))


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


def problems(datasets: Datasets) -> list[str]:
    """Everything that is wrong with the configured raw folders, a line each; empty when all is well."""
    lines: list[str] = []
    for name, title in TITLES.items():
        dataset = getattr(datasets, name)
        if dataset is not None and dataset.source != "synthetic":
            lines += [f"{title}: {line}" for line in _problems_of(name, dataset)]
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


def _problems_of(name: str, dataset: Dataset) -> list[str]:
    if dataset.raw is None:
        return [f"datasets.{name}.raw is not set; set it in config.yaml to the folder of your copy (null in "
                f"place of datasets.{name} leaves the dataset out)"]  # fmt: skip
    if not Path(dataset.raw).is_dir():
        return [f"datasets.{name}.raw: {dataset.raw} is no folder"]
    lines = []
    for table, facts in declaration()[name]["tables"].items():
        if table == "noteevents" and dataset.synthetic_notes:
            continue
        if facts.get("only_for") == "synthetic_notes" and not dataset.synthetic_notes:
            continue
        folder = dataset.notes if table == "noteevents" and dataset.notes else dataset.raw
        path = raw_path(name, folder, table)
        if not path.is_file():
            lines.append(f"{path.with_suffix('')}[.gz] is missing")
            continue
        try:
            header = columns_of(path)
            crowd = table == "patients" and dataset.source == "open-demo" and has_more_rows(path, OPEN_DEMO_PATIENTS)
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            lines.append(f"{path} can not be read: {error}")
            continue
        if crowd:
            # The label decides where text may go, so it is not taken on trust.
            lines.append(
                f"{path} has more than {OPEN_DEMO_PATIENTS} patients, so it is not the open demo: "
                f"datasets.{name}.source must be folder"
            )
        lacking = [c for c in facts["needed"] if c not in header]
        if lacking:
            lines.append(f"{path} lacks the column{'s' * (len(lacking) > 1)} {', '.join(lacking)}")
    return lines


def columns_of(path: Path) -> list[str]:
    """Column names of a CSV file, in lower case."""
    with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else raw as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        return [c.strip().lower() for c in next(csv.reader(text), [])]


def has_more_rows(path: Path, most: int) -> bool:
    """Whether a CSV file without line breaks in its fields has more than `most` rows; reads no further."""
    with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else raw as file:
        rows = (line for line in file if line.strip())
        return sum(1 for _ in islice(rows, most + 2)) > most + 1  # with the header


def _listing(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
