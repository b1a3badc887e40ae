"""Agreement of raters with each other.

Rating matrices have the shape [targets, raters], a NaN for a missing rating. A statistic that is not defined for its
ratings, such as one of constant ratings, one rater or one target, is None and never raises.
"""

import warnings
from collections.abc import Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FORMS = ("ICC(1,1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)")
"""Intraclass correlations (McGraw and Wong 1996); ICC(1,1), (2,1), (3,1), (1,k), (2,k), (3,k) of Shrout and Fleiss."""
LEVELS = Literal["nominal", "ordinal", "interval", "ratio"]


class Estimate(NamedTuple):
    """A statistic and its 95 % interval; None for what is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None


def icc(ratings: ArrayLike) -> dict[str, Estimate]:
    """The six intraclass correlations of a rating matrix with their 95 % intervals, by form (`FORMS`).

    Computed by pingouin over the targets that every rater has rated, since the mean squares need balanced data. Not
    defined with fewer than two raters or two such targets, or if all ratings are equal. An interval is not defined
    where the raters differ by constants only (no residual).
    """
    matrix = _matrix(ratings)
    complete = matrix[~np.isnan(matrix).any(axis=1)]
    targets, raters = complete.shape
    if targets < 2 or raters < 2 or np.ptp(complete) == 0:
        return {form: Estimate(None) for form in FORMS}
    import pandas as pd
    import pingouin

    long = pd.DataFrame(
        {
            "target": np.repeat(np.arange(targets), raters),
            "rater": np.tile(np.arange(raters), targets),
            "rating": complete.ravel(),
        }
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # divisions by a residual of zero: such bounds are left empty below
        found = pingouin.intraclass_corr(long, targets="target", raters="rater", ratings="rating")
    rows = found.set_index("Type")
    return {form: Estimate(_finite(rows["ICC"][form]), *map(_finite, rows["CI95"][form])) for form in FORMS}


def krippendorff_alpha(ratings: ArrayLike, level: LEVELS = "ordinal") -> float | None:
    """Krippendorff's alpha of a rating matrix; ratings may be missing.

    Not defined if no target has two ratings, or if all ratings that can be compared are equal: then there is no
    disagreement to expect.
    """
    import krippendorff

    matrix = _matrix(ratings)
    paired = matrix[(~np.isnan(matrix)).sum(axis=1) >= 2]
    if not len(paired) or len(np.unique(paired[~np.isnan(paired)])) < 2:
        return None
    return _finite(krippendorff.alpha(reliability_data=paired.T, level_of_measurement=level))


def weighted_kappa(first: ArrayLike, second: ArrayLike, categories: Sequence[int] = (1, 2, 3, 4, 5)) -> float | None:
    """Cohen's kappa of two raters with quadratic weights (Cohen 1968), over the targets that both have rated.

    ValueError if a rating is none of the categories. Not defined without such targets, or if both raters gave one and
    the same rating throughout.
    """
    a, b = _both(first, second)
    if not len(a):
        return None
    places = {category: i for i, category in enumerate(categories)}
    if unknown := sorted({*a.tolist(), *b.tolist()} - set(map(float, categories))):
        raise ValueError(f"ratings outside {tuple(categories)}: {unknown[:3]}")
    observed = np.zeros((len(places), len(places)))
    np.add.at(observed, ([places[x] for x in a.tolist()], [places[x] for x in b.tolist()]), 1)
    distance = np.subtract.outer(np.arange(len(places)), np.arange(len(places))) ** 2
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / observed.sum()
    by_chance = (distance * expected).sum()
    return _finite(1 - (distance * observed).sum() / by_chance) if by_chance else None


def pearson(first: ArrayLike, second: ArrayLike) -> float | None:
    """Pearson's correlation over the targets that both have rated; not defined if a rater is constant on them."""
    from scipy import stats

    a, b = _both(first, second)
    return None if _is_constant(a) or _is_constant(b) else _finite(stats.pearsonr(a, b).statistic)


def spearman(first: ArrayLike, second: ArrayLike) -> float | None:
    """Spearman's rank correlation over the targets that both have rated; not defined if a rater is constant on them."""
    from scipy import stats

    a, b = _both(first, second)
    return None if _is_constant(a) or _is_constant(b) else _finite(stats.spearmanr(a, b).statistic)


def mean_pairwise(ratings: ArrayLike) -> dict[str, float | None]:
    """Mean of Pearson's and of Spearman's correlation over all pairs of raters: `pearson` and `spearman`.

    Each pair is compared on the targets that both have rated. Pairs whose correlation is not defined do not count;
    not defined without any other.
    """
    columns = list(_matrix(ratings).T)
    means = {}
    for name, correlation in (("pearson", pearson), ("spearman", spearman)):
        found = [value for a, b in combinations(columns, 2) if (value := correlation(a, b)) is not None]
        means[name] = float(np.mean(found)) if found else None
    return means


def kendall_tau(first: ArrayLike, second: ArrayLike) -> float | None:
    """Kendall's tau-b of two orders, as of systems by mean rating; not defined if one is constant."""
    from scipy import stats

    a, b = _both(first, second)
    return None if _is_constant(a) or _is_constant(b) else _finite(stats.kendalltau(a, b).statistic)


def tau_of_systems(systems: ArrayLike, first: ArrayLike, second: ArrayLike) -> float | None:
    """Kendall's tau of the systems by the mean of the first and of the second rating; all three are [texts]."""
    names = np.asarray(systems)
    means = [[np.asarray(x)[names == name].mean() for name in np.unique(names)] for x in (first, second)]
    return kendall_tau(*means)


def _matrix(ratings: ArrayLike) -> NDArray[np.float64]:
    matrix = np.asarray(ratings, dtype=np.float64)
    if matrix.ndim != 2:
        raise ValueError(f"ratings have the shape [targets, raters], not {matrix.shape}")
    return matrix


def _both(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ratings of two raters where both have one."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"two raters need as many ratings each, not {a.shape} and {b.shape}")
    both = ~(np.isnan(a) | np.isnan(b))
    return a[both], b[both]


def _is_constant(values: NDArray[np.float64]) -> bool:
    """Whether nothing varies with these values: fewer than two, or all equal."""
    return len(values) < 2 or bool(np.ptp(values) == 0)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
