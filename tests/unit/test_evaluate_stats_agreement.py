"""Agreement of raters: published values, other libraries, and undefined statistics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinragen.evaluate.stats.agreement import (
    FORMS,
    Estimate,
    icc,
    kendall_tau,
    krippendorff_alpha,
    mean_pairwise,
    pearson,
    spearman,
    weighted_kappa,
)

# Shrout and Fleiss 1979, table 2: six targets, four judges.
SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
_ = np.nan
# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section E: four observers, twelve units.
KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
).T


def test_intraclass_correlations_are_those_of_shrout_and_fleiss():
    forms = icc(SHROUT_FLEISS)
    assert tuple(forms) == FORMS
    published = dict(zip(FORMS, (0.1657, 0.2898, 0.7148, 0.4428, 0.6201, 0.9093), strict=True))
    assert {form: round(estimate.value, 4) for form, estimate in forms.items()} == published
    # From R's psych::ICC on the same data.
    assert [round(x, 2) for x in forms["ICC(A,1)"][1:]] == [0.02, 0.76]
    assert [round(x, 2) for x in forms["ICC(C,1)"][1:]] == [0.34, 0.95]
    # All digits of the bounds, as of the value.
    assert all(round(x, 2) != x for x in forms["ICC(A,1)"])


def test_targets_with_a_missing_rating_do_not_count():
    with_gap = [*SHROUT_FLEISS, [1, _, 10, 1]]
    assert icc(with_gap) == icc(SHROUT_FLEISS)


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_alpha_is_that_of_krippendorff(level, published):
    assert krippendorff_alpha(KRIPPENDORFF, level) == pytest.approx(published, abs=5e-4)


def test_mean_pairwise_correlation_of_shrout_and_fleiss():
    means = mean_pairwise(SHROUT_FLEISS)
    assert means["pearson"] == pytest.approx(0.7603, abs=5e-5)
    ratings = np.array(SHROUT_FLEISS, dtype=float)
    pairs = [(i, j) for i in range(4) for j in range(i)]
    assert means["spearman"] == pytest.approx(np.mean([spearman(ratings[:, i], ratings[:, j]) for i, j in pairs]))


RATINGS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=40)


@settings(max_examples=60, deadline=None)
@given(RATINGS)
def test_kappa_is_that_of_scikit_learn(pairs):
    from sklearn.metrics import cohen_kappa_score

    a, b = zip(*pairs, strict=True)
    kappa = weighted_kappa(a, b)
    if len({*a, *b}) == 1:
        assert kappa is None
    else:
        assert kappa == pytest.approx(cohen_kappa_score(a, b, weights="quadratic", labels=[1, 2, 3, 4, 5]))


def test_correlations_equal_scipy_on_common_targets():
    from scipy import stats

    a, b = [1, 2, 2, 4, 5, _, 3], [2, 1, 3, 5, 5, 1, _]
    c, d = [1, 2, 2, 4, 5], [2, 1, 3, 5, 5]
    assert pearson(a, b) == pytest.approx(stats.pearsonr(c, d).statistic)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(c, d).statistic)
    assert kendall_tau(a, b) == pytest.approx(stats.kendalltau(c, d).statistic)
    assert weighted_kappa(a, b) == weighted_kappa(c, d)


@pytest.mark.parametrize(
    "ratings",
    [
        [[3, 3], [3, 3], [3, 3]],  # everybody says the same of everything
        [[1], [2], [3]],  # one rater
        [[1, 2, 3]],  # one target
        [[1, _], [_, 2]],  # nothing that two have rated
        np.empty((0, 2)),
    ],
)
def test_undefined_statistics_are_none(ratings):
    assert icc(ratings) == dict.fromkeys(FORMS, Estimate(None))
    assert mean_pairwise(ratings) == {"pearson": None, "spearman": None}
    if len(ratings) != 1:  # three raters of one target do disagree
        assert krippendorff_alpha(ratings) is None
    columns = np.asarray(ratings, dtype=float)
    if columns.shape[1] == 2:
        assert weighted_kappa(*columns.T) is None and kendall_tau(*columns.T) is None


def test_a_constant_rater_has_no_correlation():
    constant, other = [3, 3, 3, 3], [1, 2, 3, 4]
    assert pearson(constant, other) is None and spearman(constant, other) is None
    assert kendall_tau(constant, other) is None
    assert weighted_kappa(constant, other) == 0.0
    # A third rater still counts.
    assert mean_pairwise(np.transpose([constant, other, [1, 2, 3, 5]]))["spearman"] == pytest.approx(1.0)


def test_raters_who_differ_by_a_constant_agree_by_consistency():
    forms = icc([[1, 2], [2, 3], [4, 5]])
    assert forms["ICC(C,1)"].value == pytest.approx(1.0)
    assert forms["ICC(A,1)"].value < 1


def test_a_rating_outside_the_scale_is_an_error():
    with pytest.raises(ValueError, match="outside"):
        weighted_kappa([1, 6], [1, 2])
    with pytest.raises(ValueError, match="same length"):
        pearson([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="targets, raters"):
        icc([1, 2, 3])
