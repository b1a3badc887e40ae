"""The steps of stage extract as processes on small raw directories of patients who are all alike."""

import gzip
import json
import subprocess
from pathlib import Path

import pyarrow as pa
from raw_folders import RESOURCES, STAY, admission, patient, stay, write_raw
from step_script import SCRIPTS, run_step

from clinragen.registry.raw import raw_path
from clinragen.schemas.extract import RELEASE, STAYS

# Content of damaged rows, which no message may repeat.
SECRET = "Planted Patient"
BOTH = ("mimic3", "mimic4")
TABLES = {
    "extract_stays": ("icustays", "admissions", "patients"),
    "extract_diagnoses": ("diagnoses_icd", "d_icd_diagnoses"),
    "extract_events": ("chartevents", "labevents"),
    "extract_notes": ("noteevents",),
}
HEART_RATE = {"mimic3": 211, "mimic4": 220045}
REPAIRS = ("admission_by_time", "own_stay_only", "blood_only", "numbers_only", "largest_number", "fio2_by_value",
           "heights_unrounded", "plausible_only")  # fmt: skip
SETTINGS = {
    "extract_stays": {"cohort": {"min_age": 18, "exclude_transfers": True, "one_stay_per_admission": True}},
    "extract_diagnoses": {"repairs": {"unlisted_codes": False}},
    "extract_events": {"repairs": dict.fromkeys(REPAIRS, True)},
    "extract_notes": {"settings": {"addenda": False}},
}
ROWS = {"extract_stays": 2, "extract_diagnoses": 2, "extract_events": 8, "extract_notes": 2}


def chart(dataset: str, subject: int, itemid: int, value: str, **values: object) -> dict:
    """A row of CHARTEVENTS, of the only admission and stay of a patient."""
    row = {"subject_id": subject, "hadm_id": subject * 10, STAY[dataset]: subject * 100, "itemid": itemid,
           "charttime": "2100-01-01 13:00:00", "value": value}  # fmt: skip
    return row | values


def good_rows(dataset: str, patients: int = 2) -> dict[str, list[dict]]:
    """Patients with all that the steps read of them."""
    code = {"icd9_code": "4019"} if dataset == "mimic3" else {"icd_code": "4019", "icd_version": 9}
    note = (
        {"chartdate": "2100-01-05", "category": "Discharge summary", "description": "Report"}
        if dataset == "mimic3"
        else {"note_type": "DS", "note_seq": 1}
    )
    name = {"mimic3": "row_id", "mimic4": "note_id"}[dataset]
    hours = [f"2100-01-01 {hour}:00:00" for hour in (13, 14, 15)]
    rows: dict[str, list[dict]] = {table: [] for tables in TABLES.values() for table in tables}
    for n in range(1, patients + 1):
        rows["patients"].append(patient(dataset, n))
        rows["admissions"].append(admission(n, n * 10))
        rows["icustays"].append(stay(dataset, n, n * 10, n * 100))
        rows["diagnoses_icd"].append({"subject_id": n, "hadm_id": n * 10, "seq_num": 1, **code})
        rows["chartevents"] += [chart(dataset, n, HEART_RATE[dataset], "80", charttime=hour) for hour in hours]
        lab = chart(dataset, n, 50931, "120")
        rows["labevents"].append({k: v for k, v in lab.items() if k != STAY[dataset]})
        rows["noteevents"].append({name: n, "subject_id": n, "hadm_id": n * 10, "text": SECRET, **note})
    rows["d_icd_diagnoses"] = [code]
    return rows


def good_directory(directory: Path, dataset: str, patients: int = 2) -> Path:
    """The raw tables, and the stays and the release that the later steps read."""
    for table, rows in good_rows(dataset, patients).items():
        write_raw(directory / "raw", dataset, table, rows)
    write_release(directory, dataset, None)
    times = {"intime": "2100-01-01 12:00:00", "outtime": "2100-01-02 12:00:00"}
    one = {"los_hours": 24.0, "age": 50.0, "gender": "F"}
    ids = [{"subject_id": n, "hadm_id": n * 10, "stay_id": n * 100} for n in range(1, patients + 1)]
    table = pa.Table.from_pylist([row | times | one for row in ids])
    for column in times:
        position = table.column_names.index(column)
        table = table.set_column(position, column, pa.compute.strptime(table[column], "%Y-%m-%d %H:%M:%S", "s"))
    STAYS.write(table, directory / "stays.parquet")
    return directory


def write_release(directory: Path, dataset: str, release: str | None) -> None:
    """The output of extract_stays that says which release the raw tables are."""
    row = {"dataset": dataset, "release": release, "patients": 100, "icustays": 136}
    RELEASE.write(pa.Table.from_pylist([row], schema=RELEASE.schema), directory / "release.csv")


def arguments(step: str, dataset: str, directory: Path, memory_limit_mb: int = 600, **others: object) -> list:
    """The command line of a step, as its rule writes it; outputs go to the directory `results`."""
    raw = [raw_path(dataset, directory / "raw", table) for table in TABLES[step]]
    values = {
        "dataset": dataset,
        "memory_limit_mb": memory_limit_mb,
        "threads": 1,
        "stays": directory / "stays.parquet",
    }
    values |= {"raw_tables": RESOURCES / "raw_tables.yaml"}
    if step == "extract_events":
        values |= {"items": RESOURCES / "items.csv", "variables": RESOURCES / "variables.csv"}
    if step == "extract_stays":
        values |= {"release": "", "counted": directory / "results" / "release.csv"}
    else:
        values |= {"release": directory / "release.csv"}
    out = step.removeprefix("extract_")
    values |= {out: directory / "results" / f"{out}.parquet", "attrition": directory / "results" / "attrition.csv"}
    values |= {name: json.dumps(v) for name, v in SETTINGS[step].items()} | others
    return ["--raw", *raw, *(word for name, v in values.items() for word in ("--" + name.replace("_", "-"), v))]


def run_extract(step: str, dataset: str, directory: Path, **options: object) -> subprocess.CompletedProcess:
    """Run a step; what it spills goes to a directory that must be empty afterwards."""
    (directory / "spill").mkdir(exist_ok=True)
    process = {k: options.pop(k) for k in ("preexec_fn",) if k in options}
    environment = {"TMPDIR": str(directory / "spill")}
    return run_step(
        SCRIPTS / f"{step}.py", *arguments(step, dataset, directory, **options), environment=environment, **process
    )


def assert_refused(done: subprocess.CompletedProcess, directory: Path, *words: str) -> None:
    """Exit status 2, the words and no more than words, and nothing left behind."""
    assert done.returncode == 2, done.stderr
    error = done.stderr.splitlines()[-1]
    assert "ERROR step: " in error and "Traceback" not in done.stderr
    for word in words:
        assert word in error, error
    assert "Planted" not in done.stderr + done.stdout
    assert [p for p in (directory / "results").rglob("*") if p.is_file()] == []
    assert list((directory / "spill").iterdir()) == []


def whole(path: Path) -> str:
    """The text of a packed file."""
    return gzip.decompress(path.read_bytes()).decode()


def pack(path: Path, text: str) -> None:
    """Write a packed file."""
    path.write_bytes(gzip.compress(text.encode(errors="surrogateescape"), mtime=0))
