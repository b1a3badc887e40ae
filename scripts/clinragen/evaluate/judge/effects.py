"""Effects on a judge's ratings: deliberately wrong rationales (controls) and text length."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.judge.rated import may_be_shown, parts
from clinragen.evaluate.stats.means import mean_interval
from clinragen.schemas.judge import CONTROLS, JUDGE_EFFECTS, LENGTH
from clinragen.schemas.ratings import ALL, AS_WRITTEN, CRITERIA

NAMES = [*CRITERIA, ALL]


def judge_effects(rated: pd.DataFrame, settings: Bootstrap) -> pa.Table:
    """Return each judge's fall per control and slope of length (JUDGE_EFFECTS), from the frame of `read_rated`.

    Ratings by rule do not count.
    """
    rows = []
    for dataset, part in parts(rated[rated["judged"]]):
        for rater, own in part.groupby("rater", observed=True):
            written = own[own["condition"] == AS_WRITTEN]
            effects = {name: _falls(written, own[own["condition"] == name], settings) for name in CONTROLS}
            effects[LENGTH] = _slopes(written)
            rows += [
                {"dataset": dataset, "rater": rater, "effect": effect, "criterion": criterion, **values}
                for effect, by_criterion in effects.items()
                for criterion, values in zip(NAMES, by_criterion, strict=True)
            ]
    return pa.Table.from_pylist(rows, schema=JUDGE_EFFECTS.schema)


def _falls(written: pd.DataFrame, control: pd.DataFrame, settings: Bootstrap) -> list[dict[str, Any]]:
    """Return the mean fall from the original to the control, over pairs of the same case and system."""
    text = ["dataset", "stay_id", "system"]
    pairs = written.merge(control[[*text, *NAMES]], on=text, suffixes=("", " in control"))
    if not may_be_shown(pairs):
        return [_nothing() for _ in NAMES]
    falls = pairs[["dataset", "patient"]].assign(**{name: pairs[name] - pairs[f"{name} in control"] for name in NAMES})
    lows, highs = mean_interval(falls[NAMES].to_numpy(np.float64), falls["patient"].to_numpy(str), settings)
    return [_value(falls[name].mean(), lows[i], highs[i], len(falls)) for i, name in enumerate(NAMES)]


def _slopes(written: pd.DataFrame) -> list[dict[str, Any]]:
    """Regress the rating on log2 of the word count, with fixed effects of system and dataset, by least squares.

    Standard errors are clustered by patient. Undefined if the word count is constant within every system.
    """
    logs = np.log2(written["words"].to_numpy(np.float64))
    level = written["dataset"] + "/" + written["system"].astype(str)
    within = logs - pd.Series(logs, index=written.index).groupby(level).transform("mean").to_numpy()
    if not may_be_shown(written) or not (np.abs(within) > 1e-9).any():
        return [_nothing() for _ in NAMES]
    import statsmodels.api as sm

    levels = pd.get_dummies(level, dtype=np.float64).to_numpy()
    patients = pd.factorize(written["patient"])[0]
    slopes = []
    for name in NAMES:
        model = sm.OLS(written[name].to_numpy(np.float64), np.column_stack([logs, levels]))
        fitted = model.fit(cov_type="cluster", cov_kwds={"groups": patients})
        low, high = fitted.conf_int()[0]
        slopes.append(_value(fitted.params[0], low, high, len(written)))
    return slopes


def _value(value: float, low: float, high: float, number: int) -> dict[str, Any]:
    return {"value": float(value), "low": float(low), "high": float(high), "n": number}


def _nothing() -> dict[str, Any]:
    return dict.fromkeys(("value", "low", "high", "n"))
