"""A larger MIMIC-III out of the open demo: every patient N times, under new ids.

python tests/benchmarks/scale.py --raw DIRECTORY --times 20 --to DIRECTORY [--gzip] [--lower] [--tables CHARTEVENTS ...]
"""

import argparse
import csv
import gzip
from pathlib import Path

import duckdb

KEYS = ("subject_id", "hadm_id", "icustay_id", "row_id")
PATIENT_TABLES = (
    *("PATIENTS", "ADMISSIONS", "ICUSTAYS", "DIAGNOSES_ICD", "CHARTEVENTS", "LABEVENTS"),
    *("OUTPUTEVENTS", "NOTEEVENTS"),  # read by the reference, asked for by ours
)
TABLES = (*PATIENT_TABLES, "D_ICD_DIAGNOSES")


def scale(raw: Path, to: Path, times: int, packed: bool = False, upper: bool = True, tables: tuple = TABLES) -> None:
    """Write raw tables with `times` copies of each row, copy after copy, each with separate ids.

    Copy 0 keeps its ids; the same step per key in every table keeps the relations. Dictionaries stay as they are.
    """
    to.mkdir(parents=True, exist_ok=True)
    headers = {table: _columns(_file(raw, table)) for table in TABLES}
    database = duckdb.connect()
    # Several threads would hold back in memory what is not yet its turn to be written.
    database.execute("SET threads = 1")
    for table in TABLES:
        columns = ", ".join(f"'{name}': 'VARCHAR'" for name in headers[table])
        database.execute(
            # The dialect is given: sniffing fails on rows of the real files.
            f"""CREATE VIEW {table} AS SELECT * FROM read_csv('{_file(raw, table)}', auto_detect = false,
                columns = {{{columns}}}, header = true, delim = ',', quote = '"', escape = '"')"""
        )
    steps = {key: _step(database, key, [t for t in PATIENT_TABLES if key in headers[t]]) for key in KEYS}
    for table in tables:
        # A view would read the file once per copy.
        database.execute(f"CREATE OR REPLACE TEMP TABLE source AS FROM {table}")
        copies = []
        for number in range(times if table in PATIENT_TABLES else 1):
            fields = [
                f'{_shifted(name, number * steps.get(name, 0))} AS "{name.upper() if upper else name}"'
                for name in headers[table]
            ]
            copies.append(f"SELECT {', '.join(fields)} FROM source")
        target = to / f"{table}.csv{'.gz' if packed else ''}"
        database.execute(
            f"""COPY ({" UNION ALL ".join(copies)}) TO '{target}'
                (FORMAT csv, HEADER, COMPRESSION '{"gzip" if packed else "none"}')"""
        )


def _shifted(column: str, distance: int) -> str:
    return f"{column}::BIGINT + {distance}" if distance else column


def _step(database: duckdb.DuckDBPyConnection, key: str, tables: list[str]) -> int:
    """Return a power of ten above all ids of one kind, so that ids of copies cannot collide."""
    every = " UNION ALL ".join(f"SELECT {key} FROM {table}" for table in tables)
    largest = database.execute(f"SELECT coalesce(max({key}::BIGINT), 0) FROM ({every})").fetchone()[0]
    return 10 ** len(str(largest))


def _file(raw: Path, table: str) -> Path:
    found = [path for path in (raw / f"{table}.csv", raw / f"{table}.csv.gz") if path.is_file()]
    if not found:
        raise SystemExit(f"{raw / table}.csv[.gz] is missing")
    return found[0]


def _columns(path: Path) -> list[str]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        return [name.lower() for name in next(csv.reader(file))]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True, help="directory of the open demo")
    parser.add_argument("--to", type=Path, required=True, help="directory to write")
    parser.add_argument("--times", type=int, required=True)
    parser.add_argument("--gzip", action="store_true", help=".csv.gz in place of .csv")
    parser.add_argument("--lower", action="store_true", help="lower-case headers")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    given = parser.parse_args()
    scale(given.raw, given.to, given.times, given.gzip, not given.lower, given.tables)
