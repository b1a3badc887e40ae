"""Simulated raters: stand-ins for people, who know nothing of medicine."""

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
    """The ratings of every cell of every rater of a key (STUDY_KEY), by rater.

    A rating is 3 plus the effect of the system, of the case with its text, of the rater, and noise, rounded to 1 to 5;
    `spreads` are the standard deviations of the last three. Without `effects` all systems are alike: whoever does not
    read cannot prefer one. Attention checks are answered as they ask.
    """
    rows = key.to_pylist()
    draw = np.random.default_rng(seed)
    of_text, of_rater, noise = spreads
    texts = sorted({(row["stay_id"], row["system"]) for row in rows if row["system"]})
    quality = {text: draw.normal(0, of_text, len(CRITERIA)) for text in texts}
    found: dict[str, dict[Cell, int]] = {}
    for rater in sorted({row["rater"] for row in rows}):
        strictness = draw.normal(0, of_rater)
        of_cells = {(row["item"], row["letter"]): row for row in rows if row["rater"] == rater}
        found[rater] = {}
        for cell in cells_of(rows, rater):
            row = of_cells[cell[:2]]
            if row["expected"] is not None:
                found[rater][cell] = row["expected"]
                continue
            own = quality[row["stay_id"], row["system"]][CRITERIA.index(cell[2])]
            effect = (effects or {}).get(row["system"], 0.0)
            value = 3 + effect + own + strictness + draw.normal(0, noise)
            found[rater][cell] = int(np.clip(np.rint(value), 1, 5))
    return found
