"""Stages extract and benchmark on the open MIMIC demos, compared with mimic3-benchmarks on the same raw files.

In compat mode the export must be the reference's own, file by file; in the default mode every difference is
counted and has its reason: one of the repairs of docs/decisions.md.
"""

import csv
import io
import math
import re
import tarfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from raw_folders import RESOURCES

from clinragen.benchmark.export import export_samples, name_episodes, read_episodes
from clinragen.benchmark.labels import group_codes, label_stays, read_ccs, read_icd10_groups
from clinragen.benchmark.split import split_stays
from clinragen.config.benchmark import Split
from clinragen.config.extract import Cohort, Diagnoses, Events
from clinragen.extract.diagnoses import select_diagnoses
from clinragen.extract.events import read_items, select_events
from clinragen.extract.features import select_features
from clinragen.extract.layout import LAYOUTS
from clinragen.extract.sources import RawTables
from clinragen.extract.stays import select_stays
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.registry.raw import raw_path
from clinragen.registry.variables import read_variables
from clinragen.schemas.extract import EVENTS, FEATURES, STAYS

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
MIMIC3, MIMIC4, REFERENCE = DATA / "mimic-iii-demo", DATA / "mimic-iv-demo", DATA / "mimic3-benchmarks-demo"
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(),
    reason="the open demos and the reference (shared/data) are not next to the checkout",
)
COHORT = Cohort(min_age=18, exclude_transfers=True, one_stay_per_admission=True)
VARIABLES = read_variables(RESOURCES / "variables.csv")
NAMES = [v.name for v in VARIABLES]
PHENOTYPES = read_phenotypes(RESOURCES / "phenotypes.csv")
PREFIX = "phenotyping/train/"
# What each repair changes in the cells of the demo, alone: cells that it takes away, cells whose value it changes.
EFFECTS = {
    "admission_by_time": (0, 0),
    "own_stay_only": (0, 0),
    "blood_only": (35, 0),
    "numbers_only": (0, 0),
    "largest_number": (0, 301),
    "fio2_by_value": (0, 0),
    "heights_unrounded": (0, 16),
    "plausible_only": (8, 1),
}
MIMIC3_ROWS = [129687, 129687, 102831, 102613, 102611, 102601, 101244, 92535]
MIMIC4_ROWS = [111565, 111565, 86750, 83325, 75712, 75705, 74524, 70235]
ALL_TOGETHER = (103, 318)
LABELS_OF_UNLISTED_CODES, STAYS_THAT_GAIN_THEM = 9, 8


def opened(dataset: str, directory: Path, *tables: str) -> RawTables:
    return RawTables([raw_path(dataset, directory, t) for t in tables], memory_limit_mb=1000, threads=2)


def counts(attrition: pa.Table) -> list[tuple]:
    return [(r["stays"], r["admissions"], r["subjects"]) for r in attrition.to_pylist()]


@pytest.fixture(scope="module")
def stays() -> tuple[pa.Table, pa.Table]:
    return select_stays(opened("mimic3", MIMIC3, "icustays", "admissions", "patients"), LAYOUTS["mimic3"], COHORT)


def events(stays: pa.Table, on: bool = True, **others: bool) -> tuple[pa.Table, pa.Table]:
    """Events and attrition with all repairs on or off, except `others`."""
    rules, batches = Events(**(dict.fromkeys(Events.model_fields, on) | others)), []
    items = read_items(RESOURCES / "items.csv", "mimic3", rules.blood_only)
    raw = opened("mimic3", MIMIC3, "chartevents", "labevents")
    steps = select_events(raw, LAYOUTS["mimic3"], stays, items, VARIABLES, rules, batches.append)
    return EVENTS.check(pa.Table.from_batches(batches), "demo"), steps


def labels(stays: pa.Table, unlisted_codes: bool) -> dict[int, list[str]]:
    raw = opened("mimic3", MIMIC3, "diagnoses_icd", "d_icd_diagnoses")
    codes, _ = select_diagnoses(raw, LAYOUTS["mimic3"], stays, Diagnoses(unlisted_codes=unlisted_codes))
    icd10 = read_icd10_groups(RESOURCES / "phenotype_icd10.csv")
    table = label_stays(codes, PHENOTYPES, group_codes(codes, read_ccs(RESOURCES / "phenotypes.csv"), icd10))
    return dict(zip(table["stay_id"].to_pylist(), table["phenotypes"].to_pylist(), strict=True))


@pytest.fixture(scope="module")
def default(stays) -> tuple[pa.Table, pa.Table]:
    return events(stays[0])


@pytest.fixture(scope="module")
def reference() -> dict[str, list[list[str]]]:
    """The reference's files of its training part by name, as rows of texts."""
    with tarfile.open(REFERENCE / "phenotyping_train.tar.gz") as tar:
        return {
            m.name.removeprefix(PREFIX): list(csv.reader(io.TextIOWrapper(tar.extractfile(m), "utf-8", newline="")))
            for m in tar
            if m.isfile()
        }


@pytest.fixture(scope="module")
def compat(stays, tmp_path_factory) -> Path:
    """Our export in compat mode, with the reference's list of test patients."""
    directory = tmp_path_factory.mktemp("export") / "phenotyping"
    split, _ = split_stays(stays[0], Split(test=0.2, validation=0.1, seed=1), [REFERENCE / "testset_demo.csv"])
    parts = dict(zip(split["stay_id"].to_pylist(), split["split"].to_pylist(), strict=True))
    episodes = read_episodes(iter(events(stays[0], on=False)[0].to_batches()), NAMES)
    export_samples(directory, stays[0], parts, labels(stays[0], unlisted_codes=False), PHENOTYPES, episodes, NAMES)
    return directory


def read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_attrition_of_mimic3_is_the_one_that_the_reference_prints(stays):
    assert counts(stays[1]) == [(136, 129, 100), (126, 120, 94), (115, 115, 90), (114, 114, 89)]
    STAYS.check(stays[0], "demo")


def test_attrition_of_mimic4():
    raw = opened("mimic4", MIMIC4, "icustays", "admissions", "patients")
    table, steps = select_stays(raw, LAYOUTS["mimic4"], COHORT)
    assert counts(steps) == [(140, 128, 100), (129, 119, 96), (112, 112, 91), (112, 112, 91)]
    assert min(table["age"].to_pylist()) >= 18 and max(table["age"].to_pylist()) <= 90


def test_every_stay_of_mimic4_has_events():
    cohort, _ = select_stays(opened("mimic4", MIMIC4, "icustays", "admissions", "patients"), LAYOUTS["mimic4"], COHORT)
    raw, batches = opened("mimic4", MIMIC4 / "from-meds", "chartevents", "labevents"), []
    rules = Events(**dict.fromkeys(Events.model_fields, True))
    items = read_items(RESOURCES / "items.csv", "mimic4", blood_only=True)
    steps = select_events(raw, LAYOUTS["mimic4"], cohort, items, VARIABLES, rules, batches.append)
    found = pa.Table.from_batches(batches)
    assert len(found["stay_id"].unique()) == 112
    assert [s["rows"] for s in steps.to_pylist() if s["table"] == "events"] == MIMIC4_ROWS
    # The texts of categorical items are lost in this copy; the numbers exist.
    assert {v.name for v in VARIABLES if not v.categorical} == set(found["variable"].unique().to_pylist())


def test_events_of_mimic3_step_by_step(default):
    table, steps = default
    assert len(table["stay_id"].unique()) == 113
    assert [s["rows"] for s in steps.to_pylist() if s["table"] == "events"] == MIMIC3_ROWS


def test_in_compat_mode_the_samples_labels_and_lengths_are_those_of_the_reference(compat, reference):
    assert read_csv(compat / "train" / "listfile.csv") == reference["listfile.csv"]
    assert {p.name for p in (compat / "train").iterdir()} == set(reference) and len(reference) == 96
    assert len(list((compat / "test").glob("*_timeseries.csv"))) == 18


def test_in_compat_mode_every_cell_is_that_of_the_reference(compat, reference):
    for name in set(reference) - {"listfile.csv"}:
        assert read_csv(compat / "train" / name) == reference[name], name


def cells(table: pa.Table) -> dict[tuple, float]:
    names = ("stay_id", "hours", "variable")
    return dict(zip(zip(*(table[n].to_pylist() for n in names), strict=True), table["value"].to_pylist(), strict=True))


def changes(repaired: dict[tuple, float], quirky: dict[tuple, float]) -> tuple[int, int]:
    """Cells that the repair takes away, and cells whose value it changes; none may be new."""
    assert set(repaired) <= set(quirky)
    differing = [k for k in repaired if quirky[k] != repaired[k] and not math.isnan(quirky[k])]
    return len(quirky) - len(repaired), len(differing)


@pytest.mark.parametrize("switch", EFFECTS)
def test_what_a_repair_changes_in_the_demo(switch, default, stays):
    assert changes(cells(default[0]), cells(events(stays[0], **{switch: False})[0])) == EFFECTS[switch]


def test_what_all_repairs_change_together(default, stays):
    assert changes(cells(default[0]), cells(events(stays[0], on=False)[0])) == ALL_TOGETHER


def test_what_codes_outside_of_the_dictionary_change(stays):
    ours, theirs = labels(stays[0], unlisted_codes=True), labels(stays[0], unlisted_codes=False)
    assert all(set(theirs[stay]) <= set(ours[stay]) for stay in theirs) and set(theirs) == set(ours)
    gained = Counter(stay for stay in ours for _ in set(ours[stay]) - set(theirs[stay]))
    assert (gained.total(), len(gained)) == (LABELS_OF_UNLISTED_CODES, STAYS_THAT_GAIN_THEM)


def test_the_decisions_tell_the_measured_effects():
    """docs/decisions.md has a row per switch, with the numbers of this file."""
    text = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", text, re.MULTILINE))
    for switch, (lost, changed) in EFFECTS.items():
        assert documented[switch] == f"{lost} dropped, {changed} changed", switch
    assert documented["unlisted_codes"] == f"{LABELS_OF_UNLISTED_CODES} labels more, of {STAYS_THAT_GAIN_THEM} stays"


def test_the_default_export_has_the_same_samples(stays, default, reference):
    names = name_episodes(stays[0])
    with_events = {names[s] for s in default[0]["stay_id"].unique().to_pylist()}
    assert set(reference) - {"listfile.csv"} <= with_events and len(with_events) == 113


@pytest.mark.parametrize(("dataset", "directory"), [("mimic3", MIMIC3), ("mimic4", MIMIC4)])
def test_every_stay_of_the_open_demos_has_features_of_known_names(dataset, directory):
    paths = {table: raw_path(dataset, directory, table) for table in ("icustays", "admissions", "patients")}
    stays, _ = select_stays(
        RawTables(paths.values(), 500, 1).checked(dataset, RESOURCES / "raw_tables.yaml"), LAYOUTS[dataset], COHORT
    )
    found = FEATURES.check(select_features(RawTables([paths["admissions"]], 500, 1), stays), "test")
    assert found["stay_id"].to_pylist() == stays["stay_id"].to_pylist() and len(found) > 100
    assert {"OTHER"}.isdisjoint(found["sex"].to_pylist() + found["admission_type"].to_pylist())
    assert min(found["age"].to_pylist()) >= 18 and max(found["age"].to_pylist()) == 90
