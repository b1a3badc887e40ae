"""Tiny raw directories of MIMIC-III and MIMIC-IV in their real layouts, written for one test."""

import csv
import gzip
import io
from pathlib import Path

import yaml

from clinragen.extract.sources import RawTables
from clinragen.registry.raw import raw_path

RESOURCES = Path(__file__).parents[1] / "resources"
DECLARATION = yaml.safe_load((RESOURCES / "raw_tables.yaml").read_text(encoding="utf-8"))
STAY = {"mimic3": "icustay_id", "mimic4": "stay_id"}


def csv_text(columns: list[str], rows: list[dict], newline: str = "\n", upper: bool = False) -> str:
    """CSV as PhysioNet ships it; columns that a row does not name are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=newline)
    writer.writerow([c.upper() if upper else c for c in columns])
    for row in rows:
        unknown = set(row) - set(columns)
        assert not unknown, f"no such column: {unknown}"
        writer.writerow([row.get(c, "") for c in columns])
    return text.getvalue()


def write_raw(
    directory: Path, dataset: str, table: str, rows: list[dict], packed: bool = True, **style: object
) -> Path:
    """One raw table in its place, gzipped or plain, with all columns of the release."""
    facts = DECLARATION[dataset]["tables"][table]
    path = directory / (facts["file"] + (".csv.gz" if packed else ".csv"))
    path.parent.mkdir(parents=True, exist_ok=True)
    data = csv_text(facts["columns"], rows, **style).encode()
    path.write_bytes(gzip.compress(data, mtime=0) if packed else data)
    return path


def open_raw(directory: Path, dataset: str, *tables: str) -> RawTables:
    """The raw tables of a directory as the steps open them."""
    return RawTables([raw_path(dataset, directory, t) for t in tables], memory_limit_mb=500, threads=1)


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a gzipped raw table, columns in lower case."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return [{k.lower(): v for k, v in row.items()} for row in csv.DictReader(file)]


def patient(dataset: str, subject: int, **values: object) -> dict:
    """A row of PATIENTS, born in 2050 (50 years old at the stays below)."""
    usual = {"dob": "2050-01-01 00:00:00"} if dataset == "mimic3" else {"anchor_age": 50, "anchor_year": 2100}
    return {"subject_id": subject, "gender": "F", **usual, **values}


def admission(subject: int, hadm: int) -> dict:
    """A row of ADMISSIONS."""
    return {"subject_id": subject, "hadm_id": hadm}


def stay(dataset: str, subject: int, hadm: int, stay_id: int, **values: object) -> dict:
    """A row of ICUSTAYS: one day in the MICU from noon of 1 January 2100."""
    row = {
        "subject_id": subject,
        "hadm_id": hadm,
        STAY[dataset]: stay_id,
        "first_careunit": "MICU",
        "last_careunit": "MICU",
        "intime": "2100-01-01 12:00:00",
        "outtime": "2100-01-02 12:00:00",
        "los": 1.0,
    }
    wards = {"first_wardid": 5, "last_wardid": 5} if dataset == "mimic3" else {}
    return row | wards | values
