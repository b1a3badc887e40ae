"""The memory limit of extraction, on the open MIMIC-III demo grown twentyfold."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from raw_folders import RESOURCES
from runs import OPEN_DEMO
from step_script import SCRIPTS

from clinragen.config.extract import Cohort, Events
from clinragen.extract.layout import LAYOUTS
from clinragen.extract.sources import RawTables
from clinragen.extract.stays import select_stays
from clinragen.provenance.record import read_record
from clinragen.registry.raw import raw_path
from clinragen.schemas.extract import RELEASE, STAYS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not OPEN_DEMO.is_dir(), reason="the open MIMIC-III demo is not next to the checkout"),
]
COPIES = 20
# Further apart than any two identifiers of the demo.
SHIFT = 1_000_000
IDS = {"chartevents": ("subject_id", "hadm_id", "icustay_id"), "labevents": ("subject_id", "hadm_id")}
LIMIT_MB = 500
RULES = json.dumps(dict.fromkeys(Events.model_fields, True))


@pytest.fixture(scope="module")
def grown(tmp_path_factory) -> Iterator[Path]:
    """A directory with copies of CHARTEVENTS and LABEVENTS (plain, the needed columns), their stays and no release."""
    directory = tmp_path_factory.mktemp("grown")
    for table, names in IDS.items():
        ids = ", ".join(f"{name}::BIGINT + {SHIFT} * copy AS {name}" for name in names)
        RawTables([raw_path("mimic3", OPEN_DEMO, table)], 1000, 2).run(
            f"""COPY (SELECT {ids}, itemid, charttime, value, valueuom FROM raw_{table}, range({COPIES}) t(copy))
                TO '{directory / table.upper()}.csv' (HEADER)"""
        )
    row = {"dataset": "mimic3", "release": None, "patients": 100 * COPIES, "icustays": 136 * COPIES}
    RELEASE.write(pa.Table.from_pylist([row], schema=RELEASE.schema), directory / "release.csv")
    tables = [raw_path("mimic3", OPEN_DEMO, t) for t in ("icustays", "admissions", "patients")]
    cohort = Cohort(min_age=18, exclude_transfers=True, one_stay_per_admission=True)
    one, _ = select_stays(RawTables(tables, 1000, 1), LAYOUTS["mimic3"], cohort)
    copies = []
    for n in range(COPIES):
        shifted = {c: pa.compute.add(one[c], n * SHIFT) for c in ("subject_id", "hadm_id", "stay_id")}
        copies.append(pa.table({c: shifted.get(c, one[c]) for c in one.column_names}))
    STAYS.write(pa.concat_tables(copies), directory / "stays.parquet")
    yield directory
    (directory / "CHARTEVENTS.csv").unlink()  # half a gigabyte
    (directory / "LABEVENTS.csv").unlink()


def run_events(directory: Path, memory_limit_mb: int, **options: object) -> tuple[int, str]:
    """Exit status of the step and what it said; it writes to the directory `out`."""
    for name in ("out", "spill"):
        (directory / name).mkdir(exist_ok=True)
    words = [
        "--raw",
        directory / "CHARTEVENTS.csv",
        directory / "LABEVENTS.csv",
        "--release",
        directory / "release.csv",
    ]
    words += ["--stays", directory / "stays.parquet", "--dataset", "mimic3", "--repairs", RULES, "--threads", 2]
    words += ["--raw-tables", RESOURCES / "raw_tables.yaml"]
    words += ["--items", RESOURCES / "items.csv", "--variables", RESOURCES / "variables.csv"]
    words += ["--memory-limit-mb", memory_limit_mb, "--attrition", directory / "out" / "attrition.csv"]
    words += ["--events", directory / "out" / f"events{memory_limit_mb}.parquet"]
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS), "TMPDIR": str(directory / "spill")}
    command = [sys.executable, SCRIPTS / "extract_events.py", *map(str, words)]
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False, **options)
    return done.returncode, done.stderr


def test_the_memory_limit_is_kept_and_changes_no_row(grown):
    for limit in (LIMIT_MB, 4 * LIMIT_MB):
        status, output = run_events(grown, limit)
        assert status == 0, output
    files = (grown / "out" / f"events{n * LIMIT_MB}.parquet" for n in (1, 4))
    peak, peak_without = (read_record(path)["peak_memory_mb"] for path in files)
    assert peak < LIMIT_MB < peak_without, "with room to spare the step would take more"
    one, other = (pq.read_table(grown / "out" / f"events{n * LIMIT_MB}.parquet") for n in (1, 4))
    assert one.num_rows > 1_000_000 and one.equals(other)


def limit_file_size() -> None:
    # A write beyond the limit is an error, as on a full disk.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))


def test_a_full_disk_for_spilled_data_is_reported(grown):
    before = set(grown.rglob("*"))
    status, output = run_events(grown, LIMIT_MB, preexec_fn=limit_file_size)
    assert status == 2 and "Traceback" not in output
    assert f"ERROR step: the disk of {grown / 'spill'} is full: free up space, set TMPDIR" in output.splitlines()[-1]
    assert set(grown.rglob("*")) <= before | {grown / name for name in ("out", "spill")}
