"""Phenotypes from billing codes, prevalences, and small counts that stay hidden."""

import csv
from pathlib import Path

import pyarrow as pa
import pytest
from raw_folders import RESOURCES

from clinragen.benchmark.labels import (
    RARE,
    group_codes,
    icd9_groups,
    icd10_group,
    label_stays,
    list_unlabelled,
    read_ccs,
    read_icd10_groups,
)
from clinragen.benchmark.prevalence import compare_prevalence
from clinragen.disclosure import shown
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.schemas.benchmark import LABELS, PREVALENCE, UNLABELLED_CODES

PHENOTYPES = RESOURCES / "phenotypes.csv"
NAMES, CCS = read_phenotypes(PHENOTYPES), read_ccs(PHENOTYPES)
ICD10 = read_icd10_groups(RESOURCES / "phenotype_icd10.csv")
REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference"
NO_REFERENCE = "the reference's code lists (shared/reference) are not next to the checkout"

ICD9_CASES = {
    "4019": "Essential hypertension",
    "4280": "Congestive heart failure; nonhypertensive",
    "42731": "Cardiac dysrhythmias",
    "0389": "Septicemia (except in labor)",
    "5849": "Acute and unspecified renal failure",
    "25000": "Diabetes mellitus without complication",
    "486": "Pneumonia (except that caused by tuberculosis or sexually transmitted disease)",
    "78552": "Shock",
    "51881": "Respiratory failure; insufficiency; arrest (adult)",
    "41401": "Coronary atherosclerosis and other heart disease",
    "V3000": None,
    "389": None,  # hearing loss, not 0389
    "XYZ": None,
    "": None,
}


@pytest.mark.parametrize(("code", "phenotype"), ICD9_CASES.items())
def test_icd9_codes_with_known_answers(code, phenotype):
    assert icd9_groups([code], CCS) == {code: {phenotype} if phenotype else set()}


def test_no_codes_have_no_phenotypes():
    assert icd9_groups([], CCS) == {}


def test_every_icd9_code_of_the_benchmark_gets_its_phenotype():
    path = REFERENCE / "phenotype_icd9.csv"
    if not path.is_file():
        pytest.skip(NO_REFERENCE)
    with path.open(encoding="utf-8", newline="") as file:
        expected = {row["icd9_code"]: {row["phenotype"]} for row in csv.DictReader(file)}
    assert icd9_groups(list(expected), CCS) == expected


ICD10_CASES = {
    "I10": {"Essential hypertension"},
    "N179": {"Acute and unspecified renal failure"},
    "I2510": {"Coronary atherosclerosis and other heart disease"},
    "I214": {"Acute myocardial infarction"},
    "I21A1": {"Acute myocardial infarction"},
    "I482": {"Cardiac dysrhythmias"},
    "I4820": {"Cardiac dysrhythmias"},  # newer than the list: as I48.2
    "E7800": {"Disorders of lipid metabolism"},  # newer than the list: as E78.0
    "E1122": {"Diabetes mellitus with complications"},
    "Z0000": set(),
    "I4": set(),
    "": set(),
    "NOT A CODE": set(),
}


@pytest.mark.parametrize(("code", "expected"), ICD10_CASES.items())
def test_icd10_codes_with_known_answers(code, expected):
    found = icd10_group(code, ICD10)
    assert expected <= found and bool(found) is bool(expected)


def test_an_unlisted_code_takes_the_longest_listed_prefix_of_three_characters_or_more():
    groups = {"A12": {"short"}, "A123": {"long"}, "B": {"letter"}}
    cases = {"A1234": "long", "A123": "long", "A129": "short", "A12": "short", "B99": None, "A1": None}
    for code, expected in cases.items():
        assert icd10_group(code, groups) == ({expected} if expected else set())


def test_icd10_codes_have_the_phenotypes_that_the_reference_recommends():
    path = REFERENCE / "phenotype_icd10_gem.csv"
    if not path.is_file():
        pytest.skip(NO_REFERENCE)
    wanted: dict[str, set[str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            wanted.setdefault(row["icd10cm_code"], set()).update([row["phenotype"]] * int(row["recommended"]))
    assert {code: icd10_group(code, ICD10) for code in wanted} == wanted


def diagnoses(*rows: tuple[int, str, int]) -> pa.Table:
    stays, codes, versions = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table({"stay_id": pa.array(stays, pa.int64()), "icd_code": pa.array(codes, pa.string()),
                     "icd_version": pa.array(versions, pa.int8())})  # fmt: skip


def labels(*rows: tuple[int, str, int]) -> pa.Table:
    found = diagnoses(*rows)
    return label_stays(found, NAMES, group_codes(found, CCS, ICD10))


def test_labels_of_stays_in_the_order_of_the_benchmark():
    rows = [(2, "78552", 9), (2, "0389", 9), (2, "0389", 9), (1, "I10", 10), (2, "V3000", 9), (1, "XXX", 10)]
    assert LABELS.check(labels(*rows), "test").to_pylist() == [
        {"stay_id": 1, "phenotypes": ["Essential hypertension"]},
        {"stay_id": 2, "phenotypes": ["Septicemia (except in labor)", "Shock"]},
    ]


def test_the_version_decides_what_a_code_means():
    # E860 is an accident by alcohol in ICD-9 and dehydration in ICD-10.
    table = labels((1, "E860", 9), (2, "E860", 10))
    assert table["phenotypes"].to_pylist() == [[], ["Fluid and electrolyte disorders"]]


def test_a_stay_of_other_diseases_has_no_phenotype_and_one_without_codes_no_row():
    assert labels((1, "V3000", 9)).to_pylist() == [{"stay_id": 1, "phenotypes": []}]
    assert labels().num_rows == 0


def unlabelled(*rows: tuple[int, str, int], patients: int = 10**9) -> list[tuple]:
    """Rows of the list of codes; stay n is of patient n modulo `patients`."""
    found = diagnoses(*rows)
    stays = sorted(set(found["stay_id"].to_pylist()))
    cohort = pa.table({"stay_id": stays, "subject_id": [s % patients for s in stays]})
    table = list_unlabelled(found, cohort, group_codes(found, CCS, ICD10))
    return [tuple(r.values()) for r in UNLABELLED_CODES.check(table, "test").to_pylist()]


def test_codes_without_a_phenotype_are_counted_and_unknown_ones_distinguished():
    rows = (
        [(n, "V3000", 9) for n in range(20)]
        + [(n, "99999", 9) for n in range(30)]
        + [(n, "Z733", 10) for n in range(11)]
    )
    rows += [(n, "4019", 9) for n in range(30)]  # a phenotype
    assert unlabelled(*rows) == [(9, "99999", False, 1, 30), (9, "V3000", True, 1, 20), (10, "Z733", True, 1, 11)]


def test_rare_codes_share_a_row_that_hides_who_has_them():
    few = [(n, "V3000", 9) for n in range(10)] + [(n, "V3001", 9) for n in range(5, 12)]
    assert unlabelled(*few) == [(9, RARE, True, 2, 12)]
    assert unlabelled(*few[:10]) == [(9, RARE, True, 1, None)]
    # Many stays of few patients are rare too.
    assert unlabelled(*[(n, "V3000", 9) for n in range(100)], patients=10) == [(9, RARE, True, 1, None)]


@pytest.mark.parametrize(("count", "visible"), [(0, 0), (1, None), (10, None), (11, 11), (5000, 5000)])
def test_counts_of_few_patients_stay_hidden(count, visible):
    assert shown(count) == visible


def prevalence(stays: dict[int, int], having: dict[str, range]) -> list[dict]:
    """Prevalences of a cohort {stay: patient} from the stays of each phenotype."""
    phenotypes = [[name for name in NAMES if stay in having.get(name, ())] for stay in stays]
    found = pa.table({"stay_id": list(stays), "phenotypes": phenotypes}, schema=LABELS.schema)
    cohort = pa.table({"stay_id": list(stays), "subject_id": list(stays.values())})
    return PREVALENCE.check(compare_prevalence(found, cohort, PHENOTYPES), "test").to_pylist()


def test_prevalence_next_to_the_published_benchmark_hides_small_counts():
    rows = prevalence({n: n for n in range(100)}, {NAMES[0]: range(10), NAMES[1]: range(11)})
    assert [r["phenotype"] for r in rows] == NAMES
    assert [(r["stays"], r["share"]) for r in rows[:3]] == [(None, None), (11, 0.11), (0, 0.0)]
    assert (rows[0]["benchmark_train"], rows[0]["benchmark_test"]) == (0.214, 0.212)


def test_many_stays_of_few_patients_stay_hidden():
    # Ten stays each: ten patients in the first 100 stays, eleven with the next one.
    having = {NAMES[0]: range(100), NAMES[1]: range(101), NAMES[2]: range(200)}
    rows = prevalence({n: n // 10 for n in range(300)}, having)
    assert [(r["stays"], r["share"]) for r in rows[:2]] == [(None, None), (101, pytest.approx(101 / 300))]
    # Of the third, ten patients have it not.
    assert (rows[2]["stays"], rows[2]["share"]) == (None, None)


def test_prevalence_of_an_empty_cohort():
    assert {r["share"] for r in prevalence({}, {})} == {0.0}
