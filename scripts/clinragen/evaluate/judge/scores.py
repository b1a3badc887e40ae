"""Mean ratings by system, condition and criterion."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from clinragen.config.evaluate import Bootstrap
from clinragen.disclosure import shown
from clinragen.evaluate.judge.rated import may_be_shown, parts
from clinragen.evaluate.stats.means import mean_interval
from clinragen.schemas.judge import BY_RULE
from clinragen.schemas.ratings import CRITERIA, RATING_SCORES


def rating_scores(rated: pd.DataFrame, settings: Bootstrap) -> pa.Table:
    """Return means with intervals over resampled patients (RATING_SCORES), from the frame of `read_rated`.

    An unreadable response is not a rating; a rationale without text counts as 1. Values about fewer than 11 patients
    are empty, as is the number of ratings if it would reveal that 1 to 10 are missing.
    """
    rows = []
    for dataset, part in parts(rated):
        groups = part.groupby(["rater", "condition", "system"], observed=True)
        for (rater, condition, system), group in groups:
            key = {"dataset": dataset, "rater": rater, "system": system, "condition": condition}
            rows += [key | row for row in _rows(group, settings)]
    return pa.Table.from_pylist(rows, schema=RATING_SCORES.schema)


def _rows(group: pd.DataFrame, settings: Bootstrap) -> list[dict[str, Any]]:
    rated = group[group[CRITERIA[0]].notna()]
    if not may_be_shown(rated):
        return [{"criterion": name} for name in CRITERIA]
    lows, highs = mean_interval(rated[list(CRITERIA)].to_numpy(np.float64), rated["patient"].to_numpy(str), settings)
    unreadable = shown(len(group) - len(rated))
    counts = {
        "cases": len(group),
        "ratings": None if unreadable is None else len(rated),
        "empty": shown(int((group["status"] == BY_RULE).sum())),
    }
    return [
        {
            "criterion": name,
            "mean": float(rated[name].mean()),
            "std": float(rated[name].std(ddof=1)) if len(rated) > 1 else None,
            "low": float(low),
            "high": float(high),
            **counts,
        }
        for name, low, high in zip(CRITERIA, lows, highs, strict=True)
    ]
