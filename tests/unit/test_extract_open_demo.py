"""Stage extract on the open MIMIC demos, beside what mimic3-benchmarks made of the same raw files.

Every difference is counted and has its reason: the benchmark's quirks that the default repairs.
"""

import csv
import gzip
import io
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from raw_folders import RESOURCES

from clinragen.benchmark.labels import label_stays, read_ccs, read_icd10_groups
from clinragen.config.extract import Cohort
from clinragen.extract.diagnoses import select_diagnoses
from clinragen.extract.events import read_items, select_events
from clinragen.extract.sources import RawTables
from clinragen.extract.stays import select_stays
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.registry.raw import raw_path
from clinragen.registry.variables import read_variables
from clinragen.tables.extract import EVENTS, STAYS

DATA = Path(__file__).parents[2].parent / "shared" / "data"
MIMIC3, MIMIC4, REFERENCE = DATA / "mimic-iii-demo", DATA / "mimic-iv-demo", DATA / "mimic3-benchmarks-demo"
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(),
    reason="the open demos and the reference (shared/data) lie beside the checkout only in the project",
)
COHORT = Cohort(min_age=18, exclude_transfers=True, one_stay_per_admission=True)
VARIABLES = read_variables(RESOURCES / "variables.csv")
LEVELS = {v.name: v.levels for v in VARIABLES}
# Older, shorter forms of later codes, such as 5185 and 2765; among all 114 stays.
CODES_NOT_IN_THE_DICTIONARY = 36
LABELS_THAT_THEY_BRING = 9
PREFIX = "phenotyping/train/"


def opened(dataset: str, folder: Path, *tables: str) -> RawTables:
    return RawTables([raw_path(dataset, folder, t) for t in tables], memory_limit_mb=1000, threads=2)


def counts(attrition) -> list[tuple]:
    return [(r["stays"], r["admissions"], r["subjects"]) for r in attrition.to_pylist()]


@pytest.fixture(scope="module")
def stays():
    return select_stays(opened("mimic3", MIMIC3, "icustays", "admissions", "patients"), "mimic3", COHORT)


@pytest.fixture(scope="module")
def events(stays):
    raw = opened("mimic3", MIMIC3, "chartevents", "labevents")
    return select_events(raw, "mimic3", stays[0], read_items(RESOURCES / "items.csv", "mimic3"), VARIABLES)


@pytest.fixture(scope="module")
def episodes(stays) -> dict[str, dict]:
    """The stay behind each file of the reference: the n-th of the patient's kept stays."""
    of_subject = defaultdict(list)
    for row in sorted(stays[0].to_pylist(), key=lambda r: (r["subject_id"], r["intime"])):
        of_subject[row["subject_id"]].append(row)
    return {f"{s}_episode{n}_timeseries.csv": r for s, rows in of_subject.items() for n, r in enumerate(rows, 1)}


@pytest.fixture(scope="module")
def reference() -> dict[str, list[list[str]]]:
    """The reference's files by name, as rows of texts."""

    def members() -> Iterator[tuple[str, list[list[str]]]]:
        with tarfile.open(REFERENCE / "phenotyping_train.tar.gz") as tar:
            for member in tar:
                if member.isfile():
                    text = io.TextIOWrapper(tar.extractfile(member), encoding="utf-8", newline="")
                    yield member.name.removeprefix(PREFIX), list(csv.reader(text))

    return dict(members())


@pytest.fixture(scope="module")
def samples(reference) -> dict[str, list[str]]:
    """Rows of the reference's list of samples by file name."""
    return {row[0]: row for row in reference["listfile.csv"][1:]}


@pytest.fixture(scope="module")
def cells(reference, samples, episodes, events):
    """Per variable what we have and what the reference has at (stay, second), for its samples."""
    chosen = {episodes[name]["stay_id"] for name in samples}
    ours, theirs = defaultdict(dict), defaultdict(dict)
    for row in events[0].to_pylist():
        if row["stay_id"] in chosen:
            ours[row["variable"]][row["stay_id"], round(row["hours"] * 3600)] = row["value"]
    for name in samples:
        header, *rows = reference[name]
        for row in rows:
            key = (episodes[name]["stay_id"], round(float(row[0]) * 3600))
            for variable, text in zip(header[1:], row[1:], strict=True):
                if text:
                    theirs[variable][key] = text
    return ours, theirs


def test_attrition_of_mimic3_is_the_one_that_the_reference_prints(stays):
    assert counts(stays[1]) == [(136, 129, 100), (126, 120, 94), (115, 115, 90), (114, 114, 89)]
    STAYS.check(stays[0], "demo")


def test_attrition_of_mimic4():
    files = [MIMIC4 / f"{name}.csv.gz" for name in ("icu/icustays", "hosp/admissions", "hosp/patients")]
    table, steps = select_stays(RawTables(files, 1000, 2), "mimic4", COHORT)
    assert counts(steps) == [(140, 128, 100), (129, 119, 96), (112, 112, 91), (112, 112, 91)]
    assert min(table["age"].to_pylist()) >= 18 and max(table["age"].to_pylist()) <= 90


def test_every_stay_of_mimic4_has_events(stays):
    files = [MIMIC4 / f"{name}.csv.gz" for name in ("icu/icustays", "hosp/admissions", "hosp/patients")]
    cohort, _ = select_stays(RawTables(files, 1000, 2), "mimic4", COHORT)
    raw = opened("mimic4", MIMIC4 / "from-meds", "chartevents", "labevents")
    found, _ = select_events(raw, "mimic4", cohort, read_items(RESOURCES / "items.csv", "mimic4"), VARIABLES)
    assert len(set(found["stay_id"].to_pylist())) == 112
    # The texts of categorical items are lost in this copy; the numbers are there.
    assert {v.name for v in VARIABLES if not v.categorical} == set(found["variable"].to_pylist())


def test_113_stays_have_events(events):
    EVENTS.check(events[0], "demo")
    assert len(set(events[0]["stay_id"].to_pylist())) == 113
    assert [r["rows"] for r in events[1].to_pylist()] == [129687, 102613, 101256, 101251, 101244, 92535]


def test_our_stays_with_events_are_the_samples_of_the_reference(events, samples, episodes):
    with (REFERENCE / "testset_demo.csv").open(encoding="utf-8", newline="") as file:
        in_test = {int(subject) for subject, flag in csv.reader(file) if flag == "1"}
    with_events = set(events[0]["stay_id"].to_pylist())
    ours = {n for n, r in episodes.items() if r["stay_id"] in with_events and r["subject_id"] not in in_test}
    assert ours == set(samples) and len(ours) == 95
    assert len(with_events) - len(ours) == 18, "the reference's test part"


def test_lengths_of_stay_are_those_of_the_reference(samples, episodes):
    for name, row in samples.items():
        assert float(row[1]) == pytest.approx(episodes[name]["los_hours"], abs=1e-6)


def test_labels_are_those_of_the_reference_but_for_codes_that_it_drops(reference, samples, stays, episodes):
    with gzip.open(MIMIC3 / "D_ICD_DIAGNOSES.csv.gz", "rt", encoding="utf-8", newline="") as file:
        known = {row["icd9_code"] for row in csv.DictReader(file)}
    codes, _ = select_diagnoses(opened("mimic3", MIMIC3, "diagnoses_icd"), "mimic3", stays[0])
    phenotypes = RESOURCES / "phenotypes.csv"
    names = read_phenotypes(phenotypes)
    assert reference["listfile.csv"][0][2:] == names

    def labels(diagnoses) -> dict[int, list[str]]:
        groups = read_icd10_groups(RESOURCES / "phenotype_icd10.csv")
        table = label_stays(diagnoses, stays[0]["stay_id"].to_pylist(), names, read_ccs(phenotypes), groups)
        return dict(zip(table["stay_id"].to_pylist(), table["phenotypes"].to_pylist(), strict=True))

    # The reference joins the dictionary of codes and so loses those that are not in it; we keep them.
    in_dictionary = [code in known for code in codes["icd_code"].to_pylist()]
    theirs, ours = labels(codes.filter(in_dictionary)), labels(codes)
    for name, row in samples.items():
        stay = episodes[name]["stay_id"]
        assert theirs[stay] == [n for n, flag in zip(names, row[2:], strict=True) if flag == "1"], name
        assert set(theirs[stay]) <= set(ours[stay])
    assert in_dictionary.count(False) == CODES_NOT_IN_THE_DICTIONARY
    assert sum(len(ours[s]) - len(theirs[s]) for s in ours) == LABELS_THAT_THEY_BRING


# Per variable: cells that only the reference has, and cells in which the values differ.
DIFFERENCES = {
    "Fraction inspired oxygen": (3, 0),  # below the plausible 0.2
    "Glucose": (3, 0),  # measured in urine
    "pH": (76, 0),  # measured in urine or another fluid
    "Height": (0, 12),  # rounded to whole centimetres by the reference
    "Mean blood pressure": (3, 74),  # negative values; texts sorted as texts at one time
    "Respiratory rate": (0, 211),  # texts sorted as texts at one time
    "Systolic blood pressure": (0, 1),  # 11647 is implausible, so the other value at that time counts
}


def number(variable: str, text: str) -> float:
    return LEVELS[variable][text] if text in LEVELS[variable] else float(text)


@pytest.mark.parametrize("variable", LEVELS)
def test_cells_are_those_of_the_reference_but_for_repaired_quirks(variable, cells):
    ours, theirs = cells[0][variable], cells[1][variable]
    assert len(ours) > 5 and set(ours) <= set(theirs), "we have no cell that the reference lacks"
    differing = [k for k in ours if number(variable, theirs[k]) != pytest.approx(ours[k], rel=1e-6)]
    assert (len(theirs) - len(ours), len(differing)) == DIFFERENCES.get(variable, (0, 0))


@pytest.mark.parametrize("variable", ["Mean blood pressure", "Respiratory rate"])
def test_where_values_tie_ours_is_the_largest_number_and_theirs_the_last_text(variable, cells):
    ours, theirs = cells[0][variable], cells[1][variable]
    for key, value in ours.items():
        if float(theirs[key]) != pytest.approx(value, rel=1e-6):
            assert value > float(theirs[key]) and f"{value:g}" < theirs[key]


def test_heights_differ_by_rounding_only(cells):
    for key, value in cells[0]["Height"].items():
        assert abs(value - float(cells[1]["Height"][key])) <= 0.5


def test_vital_signs_agree_in_99_of_100_cells(cells):
    vital = (
        "Heart Rate",
        "Mean blood pressure",
        "Systolic blood pressure",
        "Diastolic blood pressure",
        "Respiratory rate",
    )
    same = Counter()
    for variable in vital:
        for key, text in cells[1][variable].items():
            same[cells[0][variable].get(key) == pytest.approx(float(text), rel=1e-6)] += 1
    assert same[True] / same.total() > 0.99
