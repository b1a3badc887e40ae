"""What a judge's ratings depend on: whether wrong rationales fall, and whether length alone pays."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.judge.rated import ALL, may_be_shown, parts
from clinragen.evaluate.stats.means import mean_interval
from clinragen.schemas.judge import CONTROLS, JUDGE_EFFECTS, LENGTH
from clinragen.schemas.ratings import AS_WRITTEN, CRITERIA

NAMES = [*CRITERIA, ALL]


def judge_effects(rated: pd.DataFrame, settings: Bootstrap) -> pa.Table:
    """The fall of each control, and the slope of length, of every judge (JUDGE_EFFECTS); of the frame of `read_rated`.

    Only what the model has rated counts, not what is 1 by rule.
    """
    rows = []
    for dataset, part in parts(rated[rated["judged"]]):
        for rater, own in part.groupby("rater", observed=True):
            written = own[own["condition"] == AS_WRITTEN]
            effects = {name: _falls(written, own[own["condition"] == name], settings) for name in CONTROLS}
            effects[LENGTH] = _slopes(written)
            rows += [
                {"dataset": dataset, "rater": rater, "effect": effect, "criterion": criterion, **values}
                for effect, found in effects.items()
                for criterion, values in zip(NAMES, found, strict=True)
            ]
    return pa.Table.from_pylist(rows, schema=JUDGE_EFFECTS.schema)


def _falls(written: pd.DataFrame, control: pd.DataFrame, settings: Bootstrap) -> list[dict[str, Any]]:
    """By how much the same case and system is rated lower in the control: means of the pairs, over patients."""
    place = ["dataset", "stay_id", "system"]
    pairs = written.merge(control[[*place, *NAMES]], on=place, suffixes=("", " in control"))
    if not may_be_shown(pairs):
        return [_nothing() for _ in NAMES]
    falls = pairs[["dataset", "patient"]].assign(**{name: pairs[name] - pairs[f"{name} in control"] for name in NAMES})
    lows, highs = mean_interval(falls[NAMES].to_numpy(np.float64), falls["patient"].to_numpy(str), settings)
    return [_value(falls[name].mean(), lows[i], highs[i], len(falls)) for i, name in enumerate(NAMES)]


def _slopes(written: pd.DataFrame) -> list[dict[str, Any]]:
    """Least squares of the rating on the logarithm (base 2) of the words, with a level for each system and dataset.

    Errors are clustered by patient. Not defined where the words vary within no system.
    """
    logs = np.log2(written["words"].to_numpy(np.float64))
    level = written["dataset"] + "/" + written["system"].astype(str)
    within = logs - pd.Series(logs, index=written.index).groupby(level).transform("mean").to_numpy()
    if not may_be_shown(written) or not (np.abs(within) > 1e-9).any():
        return [_nothing() for _ in NAMES]
    import statsmodels.api as sm

    levels = pd.get_dummies(level, dtype=np.float64).to_numpy()
    patients = pd.factorize(written["patient"])[0]
    found = []
    for name in NAMES:
        model = sm.OLS(written[name].to_numpy(np.float64), np.column_stack([logs, levels]))
        fitted = model.fit(cov_type="cluster", cov_kwds={"groups": patients})
        low, high = fitted.conf_int()[0]
        found.append(_value(fitted.params[0], low, high, len(written)))
    return found


def _value(value: float, low: float, high: float, number: int) -> dict[str, Any]:
    return {"value": float(value), "low": float(low), "high": float(high), "n": number}


def _nothing() -> dict[str, Any]:
    return dict.fromkeys(("value", "low", "high", "n"))
