"""A linear mixed model of the ratings: score ~ system + (1 | case) + (1 | text) + (1 | rater)."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from clinragen.disclosure import enough
from clinragen.evaluate.study.scores import first_ratings
from clinragen.schemas.ratings import ALL, CRITERIA
from clinragen.schemas.study import STUDY_MODEL

CONVERGED = "converged"
SPREADS = ("sd of cases", "sd of texts", "sd of raters", "sd of residuals")


def mixed_models(ratings: pa.Table, dataset: str, reference: str) -> pa.Table:
    """Estimate how systems differ from a reference (STUDY_MODEL), by criterion and for the mean of the five.

    Uses the first ratings of counted raters. If a model cannot be fitted, does not converge or has fewer than 11
    patients, `status` gives the reason and the estimates are empty.
    """
    frame = first_ratings(ratings)
    means = frame.groupby(["rater", "stay_id", "system"], as_index=False)["value"].mean()
    rows = []
    for criterion, own in [*((name, frame[frame["criterion"] == name]) for name in CRITERIA), (ALL, means)]:
        shown = enough(own["stay_id"])
        terms, status = fit(own, reference) if shown else ({}, "hidden: fewer than 11 patients are behind it")
        for term in (*sorted(set(frame["system"]) - {reference}), *SPREADS):
            key = {"dataset": dataset, "criterion": criterion, "term": term, "reference": reference}
            rows.append(key | {"status": status} | terms.get(term, {}))
    return pa.Table.from_pylist(rows, schema=STUDY_MODEL.schema)


def fit(frame: pd.DataFrame, reference: str) -> tuple[dict[str, dict[str, float | None]], str]:
    """Fit a mixed model by REML; return its estimates by term, and CONVERGED or the reason why there are none.

    `frame` has the columns rater, stay_id, system and value. Random effects are crossed, so all ratings form one group
    of statsmodels with three variance components. The component of the texts (case and system) models what all raters
    of a text share; without it, intervals would be far too narrow because each rater would count as independent
    evidence.
    """
    systems = sorted(set(frame["system"]) - {reference})
    if reference not in set(frame["system"]) or not systems:
        return {}, "not fitted: it needs ratings of the reference and of another system"
    if frame["rater"].nunique() < 2 or frame["stay_id"].nunique() < 2:
        return {}, "not fitted: it needs two raters and two cases"
    if np.ptp(frame["value"]) == 0:
        return {}, "not fitted: all ratings are equal"
    fitted = _fitted(frame, systems)
    if fitted is None or not fitted.converged or not np.all(np.isfinite(fitted.bse_fe)):
        return {}, "did not converge"
    bounds = np.asarray(fitted.conf_int())
    columns = zip(fitted.fe_params, fitted.bse_fe, bounds[:, 0], bounds[:, 1], fitted.pvalues, strict=False)
    names = ("estimate", "std_error", "low", "high", "p")
    terms = {
        system: dict(zip(names, map(_rounded, values), strict=True))
        for system, values in zip(["", *systems], columns, strict=True)
        if system
    }
    spreads = (*np.sqrt(fitted.vcomp), np.sqrt(fitted.scale))
    return terms | {n: {"estimate": _rounded(v)} for n, v in zip(SPREADS, spreads, strict=True)}, CONVERGED


def _fitted(frame: pd.DataFrame, systems: list[str]) -> Any:
    """Return the fitted model of statsmodels; None if its equations are singular."""
    from scipy.sparse import csr_matrix
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

    fixed = pd.DataFrame({"intercept": 1.0} | {name: (frame["system"] == name) * 1.0 for name in systems})
    text = frame["stay_id"].astype(str) + " " + frame["system"]
    dummies = [pd.get_dummies(column) for column in (frame["stay_id"], text, frame["rater"])]
    labels = [[[str(column) for column in each.columns]] for each in dummies]
    # Sparse matrices are twenty times as fast for 7,500 ratings.
    parts = VCSpec(["case", "text", "rater"], labels, [[csr_matrix(each.to_numpy(float))] for each in dummies])
    with warnings.catch_warnings():
        # Zero variances are allowed, and the result also says whether it converged.
        warnings.simplefilter("ignore")
        try:
            model = MixedLM(frame["value"].to_numpy(float), fixed, groups=np.zeros(len(frame)), exog_vc=parts)
            # Powell's method uses no derivatives, which are unreliable for variances near zero.
            return model.fit(reml=True, method="powell")
        except np.linalg.LinAlgError:
            return None


def _rounded(value: float) -> float | None:
    return round(float(value), 4) + 0.0 if np.isfinite(value) else None
