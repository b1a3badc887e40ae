"""The judges compared with each other, text by text and as orders of the systems."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.judge.rated import ALL, may_be_shown, parts
from clinragen.evaluate.stats.agreement import Estimate, tau_of_systems
from clinragen.evaluate.stats.pairs import NAMES, TAU, compare_two
from clinragen.schemas.ratings import AGREEMENT, AS_WRITTEN, CRITERIA


def judge_agreement(rated: pd.DataFrame, settings: Bootstrap) -> pa.Table:
    """The first judge against each other one (AGREEMENT), of the frame of `read_rated`.

    Over rationales as they were written that both models have rated: those that are 1 by rule would agree by rule.
    `all` takes the ratings of the five criteria together. Nothing is said of fewer than 11 patients.
    """
    rows = []
    raters = list(dict.fromkeys(rated["rater"]))
    own = rated[rated["judged"] & (rated["condition"] == AS_WRITTEN)]
    for other in raters[1:]:
        for dataset, part in parts(own):
            place = {"dataset": dataset, "raters": f"{raters[0]}, {other}", "paper": None}
            rows += [place | row for row in _compared(part, raters[0], other, settings)]
    return pa.Table.from_pylist(rows, schema=AGREEMENT.schema)


def _compared(part: pd.DataFrame, one: str, other: str, settings: Bootstrap) -> list[dict[str, Any]]:
    key = ["dataset", "patient", "stay_id", "system"]
    first, second = (part[part["rater"] == rater][[*key, *CRITERIA]] for rater in (one, other))
    pairs = first.merge(second, on=key, suffixes=("", " of other"))
    rows = []
    for criterion in (*CRITERIA, ALL):
        names = list(CRITERIA) if criterion == ALL else [criterion]
        a, b = (pairs[[f"{name}{suffix}" for name in names]].to_numpy(np.float64) for suffix in ("", " of other"))
        place = {"criterion": criterion, "n": len(pairs)}
        rows += [place | row for row in (_statistics(pairs, a, b, settings) if may_be_shown(pairs) else _nothing())]
    return rows


def _statistics(pairs: pd.DataFrame, a: np.ndarray, b: np.ndarray, settings: Bootstrap) -> list[dict[str, Any]]:
    """The statistics of NAMES with intervals over resampled patients, and tau; ratings [texts, criteria]."""
    patients = np.repeat(pairs["patient"].to_numpy(str), a.shape[1])
    found = compare_two(a.ravel(), b.ravel(), patients, settings)
    tau = Estimate(tau_of_systems(pairs["system"].to_numpy(str), a.mean(axis=1), b.mean(axis=1)))
    return [{"statistic": name} | each._asdict() for name, each in (found | {TAU: tau}).items()]


def _nothing() -> list[dict[str, Any]]:
    return [{"statistic": name, "value": None, "low": None, "high": None, "n": 0} for name in (*NAMES, TAU)]
