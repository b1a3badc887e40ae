"""Statistics from counts of rating pairs equal those from the ratings themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinragen.evaluate.stats.agreement import krippendorff_alpha, mean_pairwise, spearman, weighted_kappa
from clinragen.evaluate.stats.correlations import mean_pearson, pair_terms
from clinragen.evaluate.stats.pairs import pair_counts, pair_statistics

MATRICES = st.integers(2, 4).flatmap(
    lambda raters: st.lists(st.tuples(*[st.sampled_from([1, 2, 3, 4, 5, np.nan])] * raters), min_size=1, max_size=12)
)
RATINGS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=30)


@settings(max_examples=100, deadline=None)
@given(st.lists(RATINGS, min_size=1, max_size=4))
def test_statistics_from_counts_equal_those_of_the_ratings(samples):
    counts = []
    for pairs in samples:
        first, second = np.array(pairs).T
        counts.append(pair_counts(first, second).sum(axis=0))
    found = pair_statistics(np.array(counts))
    for pairs, values in zip(samples, found, strict=True):
        first, second = np.array(pairs, dtype=float).T
        alpha = krippendorff_alpha(np.column_stack([first, second]))
        expected = [spearman(first, second), weighted_kappa(first, second), alpha]
        for value, other in zip(values, expected, strict=True):
            assert np.isnan(value) if other is None else value == pytest.approx(other, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(MATRICES)
def test_the_mean_correlation_equals_that_of_the_ratings_with_missing_ones(rows):
    matrix = np.array(rows, dtype=float)
    value, expected = mean_pearson(pair_terms(matrix).sum(axis=0)[None])[0], mean_pairwise(matrix)["pearson"]
    assert np.isnan(value) if expected is None else value == pytest.approx(expected, abs=1e-9)
