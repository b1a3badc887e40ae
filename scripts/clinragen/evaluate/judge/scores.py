"""Means of the ratings per system, condition and criterion."""

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
    """Means with intervals over resampled patients (RATING_SCORES), of the frame of `read_rated`.

    An answer that cannot be read is no rating; a rationale without text counts as 1. Everything about fewer than 11
    patients is empty, and so is the number of ratings where it would say that 1 to 10 are missing.
    """
    rows = []
    for dataset, part in parts(rated):
        groups = part.groupby(["rater", "condition", "system"], observed=True)
        for (rater, condition, system), group in groups:
            place = {"dataset": dataset, "rater": rater, "system": system, "condition": condition}
            rows += [place | row for row in _rows(group, settings)]
    return pa.Table.from_pylist(rows, schema=RATING_SCORES.schema)


def _rows(group: pd.DataFrame, settings: Bootstrap) -> list[dict[str, Any]]:
    found = group[group[CRITERIA[0]].notna()]
    if not may_be_shown(found):
        nothing = dict.fromkeys(RATING_SCORES.schema.names[5:])
        return [nothing | {"criterion": name} for name in CRITERIA]
    lows, highs = mean_interval(found[list(CRITERIA)].to_numpy(np.float64), found["patient"].to_numpy(str), settings)
    unreadable = shown(len(group) - len(found))
    counts = {
        "cases": len(group),
        "ratings": None if unreadable is None else len(found),
        "empty": shown(int((group["status"] == BY_RULE).sum())),
    }
    return [
        {
            "criterion": name,
            "mean": float(found[name].mean()),
            "std": float(found[name].std(ddof=1)) if len(found) > 1 else None,
            "low": float(low),
            "high": float(high),
            **counts,
        }
        for name, low, high in zip(CRITERIA, lows, highs, strict=True)
    ]
