"""Numbers about few patients stay hidden, directly and by subtraction."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinragen.disclosure import (
    SMALLEST_SHOWN,
    all_shown,
    drawn_bins,
    hide_small_counts,
    shown_parts,
    shown_quantile,
)


def people(*sizes: int) -> list[set[int]]:
    """Return parts with these numbers of patients, all different."""
    ends = np.cumsum(sizes).tolist()
    return [set(range(end - size, end)) for size, end in zip(sizes, ends, strict=True)]


@pytest.mark.parametrize(
    ("sizes", "visible"),
    [
        ((20, 30, 40), (True, True, True)),
        ((0, 11), (True, True)),
        ((10, 11), (False, False)),
        ((3, 40, 50, 20), (False, True, True, False)),
        # The sum of the hidden parts follows by subtraction: one patient and nine are ten.
        ((1, 9, 30, 40), (False, False, False, True)),
        ((5, 6, 30), (False, False, True)),
        ((5, 0, 0), (False, True, True)),
        ((), ()),
    ],
)
def test_which_parts_of_a_whole_are_shown(sizes, visible):
    assert shown_parts(people(*sizes)) == list(visible)


@given(st.lists(st.sets(st.integers(0, 60)), max_size=8))
def test_neither_a_shown_part_nor_the_hidden_rest_has_one_to_ten_patients(parts):
    visible = shown_parts(parts)
    rest = [part for part, seen in zip(parts, visible, strict=True) if not seen]
    assert all(not part or len(part) >= SMALLEST_SHOWN for part, seen in zip(parts, visible, strict=True) if seen)
    everything_hidden = not any(part for part, seen in zip(parts, visible, strict=True) if seen)
    assert not rest or everything_hidden or (len(rest) > 1 and len(set().union(*rest)) >= SMALLEST_SHOWN)
    if all(not part or len(part) >= SMALLEST_SHOWN for part in parts):
        assert not rest, "nothing is hidden without need"


def test_numbers_are_shown_together_or_not_at_all():
    assert all_shown([]) and all_shown([0, 11, 500]) and not all_shown([0, 11, 10]) and not all_shown([1])


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 30)), max_size=30))
def test_no_drawn_bin_has_one_to_ten_patients_and_the_others_are_as_they_were(bins):
    counts, patients = (np.array(column, dtype=np.int64) for column in (zip(*bins, strict=True) if bins else ((), ())))
    drawn = drawn_bins(counts, patients)
    assert not np.any((drawn > 0) & (patients < SMALLEST_SHOWN))
    assert np.array_equal(drawn[patients >= SMALLEST_SHOWN], counts[patients >= SMALLEST_SHOWN])


def test_a_quantile_needs_patients_on_both_sides_of_it():
    values = np.arange(45.0)
    assert [shown_quantile(values, np.arange(45), q) for q in (0.25, 0.5, 0.75)] == [11, 22, 33]
    assert shown_quantile(values[:41], np.arange(41), 0.25) is None, "ten below"
    assert shown_quantile(values, np.arange(45), 0) is shown_quantile(values, np.arange(45), 1) is None
    assert shown_quantile(values, np.arange(45) // 5, 0.5) is None, "many stays of nine patients"
    assert shown_quantile(np.append(values, [44.0] * 30), np.arange(75), 1) == 44, "many share the largest"
    assert shown_quantile(np.empty(0), np.empty(0), 0.5) is None


def test_rows_of_few_patients_and_small_counts_are_hidden():
    table = pa.table({"stays": [12, 40, 11, None], "subjects": [9, 30, None, None], "rows": [500, 7, 0, 90]})
    hidden = hide_small_counts(table, ("stays", "subjects", "rows"), patients="subjects").to_pydict()
    assert hidden == {
        "stays": [None, 40, 11, None],
        "subjects": [None, 30, None, None],
        "rows": [None, None, 0, 90],
    }
