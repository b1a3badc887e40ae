"""Aggregates of the samples: coverage, values and lengths, and nothing of few patients."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_folders import RESOURCES

from clinragen.benchmark.distributions import Bars, Coverage, bin_edges, survey_events, survey_lengths
from clinragen.registry.variables import read_variables
from clinragen.schemas.extract import EVENTS

VARIABLES = read_variables(RESOURCES / "variables.csv")
PH, RATE, EYES = (next(v for v in VARIABLES if v.name.startswith(n)) for n in ("pH", "Heart", "Glascow coma scale eye"))


def events(*rows: tuple[int, float, str, float]) -> pa.RecordBatch:
    table = EVENTS.only(("stay_id", "hours", "variable", "value"))
    full = [dict(zip(table.schema.names, row, strict=True)) for row in rows]
    return pa.RecordBatch.from_pylist(full, schema=table.schema)


def survey(tables, stays=40, steps=4, patients=None, variables=(PH, RATE), step_hours=1.0):
    people = np.arange(stays) if patients is None else np.array(patients)
    return survey_events(tables, np.arange(stays), np.full(stays, steps), people, list(variables), step_hours)


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda v: v.name)
def test_bins_span_the_plausible_range_in_round_steps(variable):
    edges = bin_edges(variable)
    widths = np.diff(edges)
    assert edges[0] <= variable.plausible_low + 1e-9 and edges[-1] > variable.plausible_high
    assert np.allclose(widths, widths[0]) and len(widths) <= 202
    if variable.categorical:
        assert widths[0] == 1 and set(edges % 1) == {0.5}, "a score is in the middle of its bin"


def test_coverage_counts_stays_and_bins_once():
    # 20 of 40 stays have a pH, in 2 of their 4 bins; the second value of a bin and one after the end change nothing.
    rows = [(stay, hours, "pH", 7.4) for stay in range(20) for hours in (0.0, 1.0, 1.5, 4.0, 4.5)]
    rows += [(stay, 0.5, "Heart Rate", 80.0) for stay in range(40)]
    (ph, rate), _ = survey([events(*rows)])
    # 0.0 and 1.0 belong to the first bin, 1.5 to the second, 4.0 to the fourth, 4.5 to none.
    assert ph == Coverage(0.5, 20 * 3 / 160) and rate == Coverage(0.0, 40 / 160)
    assert survey([events(*rows)], steps=2, step_hours=2.0)[0][0] == Coverage(0.5, 20 * 2 / 80)


def test_unreadable_values_and_other_stays_count_nowhere():
    rows = [(stay, 0.5, "pH", float("nan")) for stay in range(40)] + [(99, 0.5, "pH", 7.4)] * 40
    (ph, _), (bars, _) = survey([events(*rows)])
    assert ph == Coverage(1.0, 0.0) and not bars.shares.any()


def test_batches_may_be_cut_anywhere():
    rows = [(stay, hours, name, value) for stay in range(40) for hours in (0.5, 1.5)
            for name, value in (("pH", 7.4), ("Heart Rate", 60.0 + stay % 3))]  # fmt: skip
    whole = survey([events(*rows)])
    parts = survey([events(*rows[start : start + 7]) for start in range(0, len(rows), 7)])
    assert whole[0] == parts[0] and all(
        np.array_equal(a.shares, b.shares) for a, b in zip(whole[1], parts[1], strict=True)
    )


@pytest.mark.parametrize(
    ("with_it", "visible"), [(0, True), (1, False), (10, False), (11, True), (29, True), (30, False)]
)
def test_coverage_by_or_without_few_patients_is_hidden(with_it, visible):
    (ph, _), _ = survey([events(*((stay, 0.5, "pH", 7.4) for stay in range(with_it)))])
    assert (ph.stays_without is not None) == visible
    # The share of bins would reveal that few patients have no gaps; here all have gaps.
    assert (ph.bins_with is not None) == (visible or with_it == 30)


def test_values_of_few_patients_are_not_drawn_however_many_they_are():
    rows = [(stay, 0.5, "Heart Rate", 81.0) for stay in range(11)]
    rows += [(stay, h / 100, "Heart Rate", 151.0) for stay in range(10) for h in range(30)]
    rows += [(stay, 0.5, "Heart Rate", 5000.0) for stay in range(40)]
    _, (_, bars) = survey([events(*rows)])
    assert bars.shares.sum() == pytest.approx(1)
    (drawn,) = np.flatnonzero(bars.shares)
    assert bars.edges[drawn] <= 81 < bars.edges[drawn + 1] < 151


def test_values_on_a_border_belong_to_the_bin_above_and_scores_are_never_joined():
    rows = [(stay, 0.5, "pH", 7.4) for stay in range(40)] + [(stay, 0.5, EYES.name, 4.0) for stay in range(40)]
    rows += [(stay, 0.5, EYES.name, 3.0) for stay in range(10)]
    _, (ph, eyes) = survey([events(*rows)], variables=(PH, EYES))
    (drawn,) = np.flatnonzero(ph.shares)
    assert ph.edges[drawn] == pytest.approx(7.4) and len(ph.shares) > 150
    assert eyes.shares.tolist() == [0, 0, 0, 0, 1]


def patients_per_bar(bars: Bars, values: np.ndarray, patients: np.ndarray, right: bool) -> list[int]:
    """Patients behind every drawn bar, counted from the values themselves."""
    inside = [
        (values > low) & (values <= high) if right else (values >= low) & (values < high)
        for low, high in zip(bars.edges, bars.edges[1:], strict=False)
    ]
    return [len(set(patients[i])) for i, share in zip(inside, bars.shares, strict=True) if share]


NUMBERS = {"seed": st.integers(0, 2**32 - 1), "size": st.integers(0, 400), "people": st.integers(1, 60)}


@settings(max_examples=60)
@given(**NUMBERS)
def test_no_bar_of_a_length_has_one_to_ten_patients(seed, size, people):
    chance = np.random.default_rng(seed)
    values = np.floor(chance.exponential(30, size)) + 1
    _, patients = np.unique(chance.integers(0, people, size), return_inverse=True)
    found = survey_lengths(values, patients, 6, 120)
    counted = patients_per_bar(found.bars, values, patients, right=True)
    assert all(count >= 11 for count in counted)
    assert found.bars.shares.sum() == pytest.approx(1 if counted else 0)


@settings(max_examples=60)
@given(**NUMBERS, stays_each=st.integers(1, 3))
def test_no_bar_of_a_variable_has_one_to_ten_patients(seed, size, people, stays_each):
    chance = np.random.default_rng(seed)
    values, stays = np.floor(chance.normal(80, 20, size)).clip(1), chance.integers(0, people, size)
    patients = np.arange(people) // stays_each
    rows = events(*((stay, 0.5, RATE.name, value) for stay, value in zip(stays.tolist(), values.tolist(), strict=True)))
    _, (_, bars) = survey([rows], stays=people, patients=patients)
    assert all(count >= 11 for count in patients_per_bar(bars, values, patients[stays], right=False))


def test_quartiles_and_bars_of_a_length():
    values = np.arange(1.0, 101)
    found = survey_lengths(values, np.arange(100), 20, 120)
    assert found.quartiles == (25.75, 50.5, 75.25)
    assert found.bars.shares.tolist() == pytest.approx([0.2] * 5 + [0])


def test_nothing_at_all_can_be_surveyed():
    coverage, bars = survey([], stays=0)
    assert coverage == [Coverage(None, None)] * 2 and not any(b.shares.any() for b in bars)
    assert survey_lengths(np.empty(0), np.empty(0, dtype=int), 6, 60).quartiles == (None, None, None)
