"""Simulated raters: stand-ins for people, without medical knowledge."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from clinragen.evaluate.study.responses import Cell, cells_of
from clinragen.schemas.ratings import CRITERIA


def simulate_raters(
    key: pa.Table,
    seed: int,
    effects: Mapping[str, float] | None = None,
    spreads: tuple[float, float, float] = (0.8, 0.4, 0.6),
) -> dict[str, dict[Cell, int]]:
    """Return the ratings of every cell of a key (STUDY_KEY), by rater.

    A rating is 3 plus the effects of system, text and rater, and noise, rounded and clipped to 1 to 5; `spreads` are
    the standard deviations of the last three. `effects` are by system, all 0 by default. Attention checks are passed.
    """
    rows = key.to_pylist()
    draw = np.random.default_rng(seed)
    of_text, of_rater, noise = spreads
    texts = sorted({(row["stay_id"], row["system"]) for row in rows if row["system"]})
    quality = {text: draw.normal(0, of_text, len(CRITERIA)) for text in texts}
    ratings: dict[str, dict[Cell, int]] = {}
    for rater in sorted({row["rater"] for row in rows}):
        strictness = draw.normal(0, of_rater)
        of_cells = {(row["item"], row["letter"]): row for row in rows if row["rater"] == rater}
        ratings[rater] = {}
        for cell in cells_of(rows, rater):
            row = of_cells[cell[:2]]
            if row["expected"] is not None:
                ratings[rater][cell] = row["expected"]
                continue
            own = quality[row["stay_id"], row["system"]][CRITERIA.index(cell[2])]
            effect = (effects or {}).get(row["system"], 0.0)
            value = 3 + effect + own + strictness + draw.normal(0, noise)
            ratings[rater][cell] = int(np.clip(np.rint(value), 1, 5))
    return ratings
