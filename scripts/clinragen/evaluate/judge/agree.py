"""Agreement of the judges with each other, by text and by ranking of the systems."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.judge.rated import may_be_shown, parts
from clinragen.evaluate.stats.agreement import Estimate, tau_of_systems
from clinragen.evaluate.stats.pairs import NAMES, TAU, compare_two
from clinragen.schemas.ratings import AGREEMENT, ALL, AS_WRITTEN, CRITERIA


def judge_agreement(rated: pd.DataFrame, settings: Bootstrap) -> pa.Table:
    """Compare the first judge with each of the others (AGREEMENT), from the frame of `read_rated`.

    Covers original rationales that both models rated; ratings by rule would agree by rule. `all` pools the five
    criteria. Statistics of fewer than 11 patients are empty.
    """
    rows = []
    raters = list(dict.fromkeys(rated["rater"]))
    own = rated[rated["judged"] & (rated["condition"] == AS_WRITTEN)]
    for other in raters[1:]:
        for dataset, part in parts(own):
            key = {"dataset": dataset, "raters": f"{raters[0]}, {other}", "paper": None}
            rows += [key | row for row in _compared(part, raters[0], other, settings)]
    return pa.Table.from_pylist(rows, schema=AGREEMENT.schema)


def _compared(part: pd.DataFrame, rater: str, other: str, settings: Bootstrap) -> list[dict[str, Any]]:
    text = ["dataset", "patient", "stay_id", "system"]
    first, second = (part[part["rater"] == name][[*text, *CRITERIA]] for name in (rater, other))
    pairs = first.merge(second, on=text, suffixes=("", " of other"))
    rows = []
    for criterion in (*CRITERIA, ALL):
        names = list(CRITERIA) if criterion == ALL else [criterion]
        a, b = (pairs[[f"{name}{suffix}" for name in names]].to_numpy(np.float64) for suffix in ("", " of other"))
        shown = may_be_shown(pairs)
        statistics = _statistics(pairs, a, b, settings) if shown else dict.fromkeys((*NAMES, TAU), Estimate(None))
        key = {"criterion": criterion, "n": len(pairs) if shown else 0}
        rows += [key | {"statistic": name} | estimate._asdict() for name, estimate in statistics.items()]
    return rows


def _statistics(pairs: pd.DataFrame, a: np.ndarray, b: np.ndarray, settings: Bootstrap) -> dict[str, Estimate]:
    """Return the statistics of NAMES with intervals over resampled patients, and tau; ratings [texts, criteria]."""
    patients = np.repeat(pairs["patient"].to_numpy(str), a.shape[1])
    tau = tau_of_systems(pairs["system"].to_numpy(str), a.mean(axis=1), b.mean(axis=1))
    return compare_two(a.ravel(), b.ravel(), patients, settings) | {TAU: Estimate(tau)}
