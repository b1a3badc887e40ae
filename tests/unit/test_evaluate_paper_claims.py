"""Claims of the paper: each kind of test, and its verdicts in print and on our values."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from clinragen.evaluate.paper.claims import (
    CONTRADICTED,
    HOLDS,
    NOT_DECIDABLE,
    NOT_PRINTED,
    NOT_REPRODUCED,
    REPRODUCED,
    assess,
    in_print,
    on_ours,
    table_of,
)
from clinragen.evaluate.paper.evidence import Cell, Estimate, Evidence, Gap, Runs
from clinragen.evaluate.paper.register import Claim
from clinragen.schemas.claims import CLAIMS

DATASET = "MIMIC-III"
PLACE = {"source": "table1", "datasets": [DATASET], "metrics": ["micro_f1"]}
A_B = {"rows": ["A"], "others": ["B"]}
OTHERS = ["B", "C", "D"]


def claim(kind: str, **test: object) -> Claim:
    about = {"id": "c", "section": "1", "quote": "A is better", "reading": "A is above B."}
    return TypeAdapter(Claim).validate_python(about | {"test": PLACE | {"kind": kind} | test})


def cell(row: str, source: str = "table1", metric: str = "micro_f1", dataset: str = DATASET) -> Cell:
    return Cell(source, dataset, row, metric)


def values(spread: float = 0.0, **rows: float) -> Evidence:
    """Values of rows, each with an interval of the given half-width."""
    return Evidence({cell(row): Estimate(v, v - spread, v + spread) for row, v in rows.items()})


def difference(value: float, low: float, high: float, p: float | None = None) -> Evidence:
    """Rows A and B with overlapping intervals, and a separate, narrow interval of their difference."""
    wide = {cell(row): Estimate(0.5, 0.0, 1.0) for row in "AB"}
    pair = (cell("A"), cell("B"))
    return Evidence(wide, {pair: Estimate(value, low, high)}, {} if p is None else {pair: p})


# Each kind with evidence for it, against it, and with undecided evidence.
CASES = {
    "above": (
        claim("above", **A_B),
        difference(0.02, 0.01, 0.03),
        difference(-0.02, -0.03, -0.01),
        difference(0.02, -0.01, 0.05),
    ),
    "above a negative margin": (
        claim("above", **A_B, by=-0.01),
        difference(-0.005, -0.009, 0.0),
        difference(-0.02, -0.03, -0.015),
        difference(-0.005, -0.02, 0.01),
    ),
    "above from the values of both": (
        claim("above", **A_B),
        values(0.01, A=0.6, B=0.5),
        values(0.01, A=0.5, B=0.6),
        values(0.06, A=0.6, B=0.5),
    ),
    "close": (
        claim("close", **A_B, within=0.01),
        difference(0.0, -0.005, 0.01),
        difference(-0.05, -0.07, -0.02),
        difference(0.0, -0.02, 0.02),
    ),
    "gain": (
        claim("gain", rows=["A"], others=["B", "C"], by=0.05),
        values(A=0.6, B=0.5, C=0.58),  # above the mean, though not above C by as much
        values(A=0.6, B=0.56, C=0.58),
        values(0.02, A=0.6, B=0.5, C=0.58),
    ),
    "larger_gain": (
        claim("larger_gain", pairs=[("A", "B")], weaker=[("C", "D")]),
        values(A=0.6, B=0.4, C=0.8, D=0.7),
        values(A=0.6, B=0.55, C=0.8, D=0.7),
        values(0.05, A=0.6, B=0.4, C=0.8, D=0.7),
    ),
    "significant": (
        claim("significant", **A_B, p=0.05),
        difference(0.02, 0.01, 0.03, p=0.01),
        difference(-0.02, -0.03, 0.0, p=0.2),
        difference(0.02, 0.01, 0.03, p=0.2),
    ),
    "significant and the other way round": (
        claim("significant", **A_B, p=0.05),
        difference(0.02, 0.01, 0.03, p=0.04),
        difference(-0.02, -0.05, 0.01, p=0.001),
        difference(-0.02, -0.05, 0.01, p=0.2),
    ),
    "rank": (
        claim("rank", row="A", among=OTHERS, rank=2),
        values(0.01, A=0.6, B=0.7, C=0.5, D=0.4),
        values(0.01, A=0.6, B=0.7, C=0.65, D=0.4),
        values(0.04, A=0.6, B=0.7, C=0.55, D=0.4),
    ),
    "last rank": (
        claim("rank", row="A", among=OTHERS, rank=4),
        values(A=0.1, B=0.7, C=0.5, D=0.4),
        values(A=0.6, B=0.7, C=0.5, D=0.4),
        values(0.1, A=0.35, B=0.7, C=0.6, D=0.4),
    ),
    "ratio below": (
        claim("ratio", row="A", other="B", below=0.5),
        values(A=1.0, B=4.0),
        values(A=3.0, B=4.0),
        values(0.5, A=1.8, B=4.0),
    ),
    "ratio above": (
        claim("ratio", row="A", other="B", above=80),
        values(A=80.0, B=1.0),
        values(A=79.0, B=1.0),
        values(0.1, A=80.0, B=1.0),
    ),
    "between": (
        claim("between", row="A", low=0.5, high=0.75),
        values(0.1, A=0.62),
        values(0.1, A=0.3),
        values(0.2, A=0.6),
    ),
    "between, with one bound": (
        claim("between", row="A", high=0.01),
        values(0.001, A=0.0),
        values(0.001, A=0.5),
        values(0.1, A=0.0),
    ),
}
cases = pytest.mark.parametrize(("tested", "good", "bad", "open_"), CASES.values(), ids=CASES.keys())


@cases
def test_every_kind_is_reproduced_or_not_or_open(tested, good, bad, open_):
    assert on_ours(tested, good, stand_ins=False).verdict == REPRODUCED
    assert on_ours(tested, bad, stand_ins=False).verdict == NOT_REPRODUCED
    answer = on_ours(tested, open_, stand_ins=False)
    assert answer.verdict == NOT_DECIDABLE and answer.reason.startswith("power")


@cases
def test_values_of_stand_ins_decide_nothing_and_are_shown(tested, good, bad, open_):
    for evidence in (good, bad):
        answer = on_ours(tested, evidence, stand_ins=True)
        assert answer.verdict == NOT_DECIDABLE and answer.reason.startswith("stand-ins")
        assert answer.decisive.estimate is not None


@cases
def test_a_row_without_a_run_is_named_with_how_to_make_it(tested, good, bad, open_):
    makes = {"table1": lambda row, dataset: f"make {row} on {dataset}"}
    answer = on_ours(tested, Evidence({}, makes=makes), stand_ins=False)
    assert answer.verdict == NOT_DECIDABLE
    assert answer.reason.startswith("missing: A") and f"make A on {DATASET}" in answer.reason
    assert in_print(tested, Evidence({})).verdict == NOT_PRINTED


def test_a_dataset_without_any_value_is_missing_as_a_whole_and_its_rows_are_not_listed():
    both = claim("above", rows=["A"], others=["B", "C"], datasets=[DATASET, "MIMIC-IV"])
    evidence = Evidence(values(A=0.6, B=0.5).values, makes={"table1": lambda row, dataset: f"make {row} on {dataset}"})
    assert on_ours(both, evidence, stand_ins=False).reason == "missing: C, all of MIMIC-IV; for C, make C on MIMIC-III"


def test_a_source_without_any_value_says_why():
    evidence = Evidence({}, reasons={"table1": Gap("a reason", "a remedy")})
    assert on_ours(claim("above", **A_B), evidence, stand_ins=False).reason == "missing: a reason; a remedy"


def test_one_failing_statement_decides_even_if_others_are_missing():
    tested = claim("above", rows=["A"], others=["B", "missing"])
    assert on_ours(tested, values(A=0.4, B=0.5), stand_ins=False).verdict == NOT_REPRODUCED
    answer = on_ours(tested, values(A=0.6, B=0.5), stand_ins=False)
    assert answer.verdict == NOT_DECIDABLE and "missing: missing" in answer.reason


def test_the_statement_that_fails_by_most_decides():
    answer = on_ours(claim("above", rows=["A"], others=OTHERS), values(A=0.5, B=0.6, C=0.8, D=0.1), stand_ins=False)
    assert "A − C" in answer.decisive.text and answer.decisive.estimate.value == pytest.approx(-0.3)


def test_of_statements_that_hold_the_one_nearest_to_failing_is_shown():
    answer = on_ours(claim("above", rows=["A"], others=OTHERS), values(A=0.9, B=0.6, C=0.8, D=0.1), stand_ins=False)
    assert "A − C" in answer.decisive.text and answer.verdict == REPRODUCED


def test_in_print_a_tie_has_no_order_and_rounding_errors_make_no_difference():
    assert in_print(claim("above", **A_B), values(A=0.5, B=0.5)).verdict == CONTRADICTED
    assert in_print(claim("rank", row="A", among=["B"], rank=1), values(A=0.5, B=0.5)).verdict == CONTRADICTED
    # 0.6413 - 0.6313 is more than 0.01 in binary.
    assert in_print(claim("close", **A_B, within=0.01), values(A=0.6413, B=0.6313)).verdict == HOLDS


def test_the_difference_of_two_rows_is_taken_either_way_round():
    swapped = claim("above", rows=["B"], others=["A"])
    assert on_ours(swapped, difference(0.02, 0.01, 0.03), stand_ins=False).verdict == NOT_REPRODUCED
    assert on_ours(swapped, difference(-0.02, -0.03, -0.01), stand_ins=False).verdict == REPRODUCED


def test_significance_in_print_follows_from_means_and_standard_deviations():
    """Welch's t of 0.6410 (0.0001) and 0.6364 (0.0004), five runs each: 24.9 with 4.5 degrees of freedom."""
    runs = {cell("A"): Runs(0.6410, 0.0001, 5), cell("B"): Runs(0.6364, 0.0004, 5)}
    evidence = Evidence({c: Estimate.exact(r.mean) for c, r in runs.items()}, runs=runs)
    assert evidence.p_value(cell("A"), cell("B")) == pytest.approx(5.4e-6, rel=0.05)
    assert in_print(claim("significant", **A_B, p=1e-6), evidence).verdict == CONTRADICTED
    alone = Evidence(evidence.values, runs={c: r._replace(number=1) for c, r in runs.items()})
    answer = on_ours(claim("significant", **A_B, p=0.05), alone, stand_ins=False)
    assert answer.verdict == NOT_DECIDABLE and "second seed of A" in answer.reason


@pytest.mark.parametrize(("first", "second", "verdict"), [(0.9, 0.8, REPRODUCED), (0.8, 0.9, NOT_REPRODUCED)])
def test_the_same_order_is_that_of_the_other_source(first, second, verdict):
    tested = claim(
        "same_order", stated=["A", "B"], other="judge", other_metric="overall", other_datasets=["both"]
    )  # fmt: skip
    rated = {cell(row, "judge", "overall", "both"): Estimate.exact(v) for row, v in (("A", 4.0), ("B", 3.0))}
    scored = {cell("A"): Estimate.exact(first), cell("B"): Estimate.exact(second)}
    assert on_ours(tested, Evidence(rated | scored), stand_ins=False).verdict == verdict
    # The paper prints only the order, in its text.
    printed = in_print(tested, Evidence(scored, stated=frozenset({"judge"})))
    assert (printed.verdict == HOLDS) == (verdict == REPRODUCED)


@given(st.lists(st.integers(0, 1000), min_size=4, max_size=4, unique=True))
def test_exactly_one_rank_holds_for_exact_values(numbers):
    evidence = values(**dict(zip("ABCD", map(float, numbers), strict=True)))
    ranks = [
        n for n in range(1, 5) if in_print(claim("rank", row="A", among=OTHERS, rank=n), evidence).verdict == HOLDS
    ]
    assert ranks == [1 + sum(other > numbers[0] for other in numbers[1:])]


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_claim_and_its_opposite_are_never_both_reproduced(value, below, above):
    evidence = difference(value, value - below, value + above)
    verdicts = [
        on_ours(claim("above", rows=[a], others=[b]), evidence, stand_ins=False).verdict for a, b in permutations("AB")
    ]
    assert verdicts.count(REPRODUCED) < 2


def test_the_table_has_a_row_per_claim():
    evidence = difference(0.02, -0.01, 0.05)
    (row,) = CLAIMS.check(table_of(assess([claim("above", **A_B)], evidence, evidence)), "test").to_pylist()
    assert (row["value"], row["low"], row["high"]) == (0.02, -0.01, 0.05)
    assert (row["statements"], row["holding"], row["failing"]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        ("above", {"rows": ["A"]}),
        ("above", {"rows": ["A"], "others": ["B"], "pairs": [("A", "B")]}),
        ("ratio", {"row": "A", "other": "B"}),
        ("ratio", {"row": "A", "other": "B", "below": 1, "above": 1}),
        ("between", {"row": "A"}),
        ("nothing", {}),
    ],
)
def test_a_test_with_too_few_or_too_many_settings_is_rejected(kind, test):
    with pytest.raises(ValidationError):
        claim(kind, **test)
