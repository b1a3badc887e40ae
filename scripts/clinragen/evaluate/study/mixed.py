"""A linear mixed model of the ratings: score ~ system + (1 | case) + (1 | text) + (1 | rater)."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from clinragen.disclosure import SMALLEST_SHOWN
from clinragen.schemas.ratings import CRITERIA
from clinragen.schemas.study import STUDY_MODEL

ALL = "all"
CONVERGED = "converged"
SPREADS = ("sd of cases", "sd of texts", "sd of raters", "sd of residuals")


def mixed_models(ratings: pa.Table, dataset: str, reference: str) -> pa.Table:
    """How systems differ from a reference (STUDY_MODEL), per criterion and for the mean of the five.

    Only first ratings of raters who count. Where a model cannot be fitted or does not converge, `status` says so and
    the estimates are empty, as they are for ratings about fewer than 11 patients.
    """
    frame = ratings.to_pandas()
    frame = frame[frame["counted"] & (frame["kind"] == "case")]
    means = frame.groupby(["rater", "stay_id", "system"], as_index=False)["value"].mean()
    rows = []
    for criterion, own in [*((name, frame[frame["criterion"] == name]) for name in CRITERIA), (ALL, means)]:
        few = own["stay_id"].nunique() < SMALLEST_SHOWN
        terms, status = ({}, "hidden: fewer than 11 patients are behind it") if few else fit(own, reference)
        empty = dict.fromkeys(("estimate", "std_error", "low", "high", "p"))
        for term in (*sorted(set(frame["system"]) - {reference}), *SPREADS):
            place = {"dataset": dataset, "criterion": criterion, "term": term, "reference": reference}
            rows.append(place | empty | {"status": status} | terms.get(term, {}))
    return pa.Table.from_pylist(rows, schema=STUDY_MODEL.schema)


def fit(frame: pd.DataFrame, reference: str) -> tuple[dict[str, dict[str, float | None]], str]:
    """Estimates of a mixed model by term, and whether it converged; none if it did not.

    `frame` has the columns rater, stay_id, system and value. Random effects are crossed, so all ratings are one group
    of statsmodels with three variance components (REML). That of the texts, pairs of case and system, is what all
    raters of a text share: without it each of them would count as evidence of its own, and intervals would be far too
    narrow.
    """
    systems = sorted(set(frame["system"]) - {reference})
    if reference not in set(frame["system"]) or not systems:
        return {}, "not fitted: it needs ratings of the reference and of another system"
    if frame["rater"].nunique() < 2 or frame["stay_id"].nunique() < 2:
        return {}, "not fitted: it needs two raters and two cases"
    if np.ptp(frame["value"]) == 0:
        return {}, "not fitted: all ratings are equal"
    found = _fitted(frame, systems)
    if found is None or not found.converged or not np.all(np.isfinite(found.bse_fe)):
        return {}, "did not converge"
    bounds = np.asarray(found.conf_int())
    columns = zip(found.fe_params, found.bse_fe, bounds[:, 0], bounds[:, 1], found.pvalues, strict=False)
    names = ("estimate", "std_error", "low", "high", "p")
    terms = {
        system: dict(zip(names, map(_rounded, values), strict=True))
        for system, values in zip(["", *systems], columns, strict=True)
        if system
    }
    spreads = (*np.sqrt(found.vcomp), np.sqrt(found.scale))
    return terms | {n: {"estimate": _rounded(v)} for n, v in zip(SPREADS, spreads, strict=True)}, CONVERGED


def _fitted(frame: pd.DataFrame, systems: list[str]) -> Any:
    """The fitted model of statsmodels; None where its equations have no solution."""
    from scipy.sparse import csr_matrix
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

    fixed = pd.DataFrame({"intercept": 1.0} | {name: (frame["system"] == name) * 1.0 for name in systems})
    text = frame["stay_id"].astype(str) + " " + frame["system"]
    dummies = [pd.get_dummies(column) for column in (frame["stay_id"], text, frame["rater"])]
    labels = [[[str(column) for column in each.columns]] for each in dummies]
    # Sparse, which is twenty times as fast for 7,500 ratings.
    parts = VCSpec(["case", "text", "rater"], labels, [[csr_matrix(each.to_numpy(float))] for each in dummies])
    with warnings.catch_warnings():
        # Of variances at zero, which are allowed, and of no convergence, which the result says too.
        warnings.simplefilter("ignore")
        try:
            model = MixedLM(frame["value"].to_numpy(float), fixed, groups=np.zeros(len(frame)), exog_vc=parts)
            # Without derivatives: those of a variance near zero mislead the other methods.
            return model.fit(reml=True, method="powell")
        except np.linalg.LinAlgError:
            return None


def _rounded(value: float) -> float | None:
    return round(float(value), 4) + 0.0 if np.isfinite(value) else None
