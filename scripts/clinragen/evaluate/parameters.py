"""Parameter counts of the trained models by component, next to the sizes in the paper."""

import csv
import json
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from clinragen.config.models import Trained
from clinragen.errors import UserError
from clinragen.schemas.evaluate import PARAMETERS

NAMES = {"encoder": "series encoder", "qformer": "Q-Former"}
TOTAL = "total"


class Count(NamedTuple):
    """Parameters of a component, and how many of them were trained."""

    parameters: int
    trained: int


def read_counts(checkpoint: Path) -> dict[str, Count]:
    """Return the parameters of each component of a student, as counted by itself; raise UserError if unreadable."""
    try:
        facts = json.loads((checkpoint / "student.json").read_text(encoding="utf-8"))
        return {str(part): Count(int(n), int(facts["trained"][part])) for part, n in facts["parameters"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{checkpoint}: no readable student.json: {error!r}; train it again") from None


def read_sizes(path: Path) -> dict[str, int]:
    """Return the number of parameters by row of the paper's Table 1 (resources/paper_sizes.csv)."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["model"]: round(float(row["millions"]) * 1e6) for row in csv.DictReader(file)}


def parameters(trained: list[Trained], counts: list[dict[str, Count]], sizes: dict[str, int]) -> pa.Table:
    """Return a row per component of each model and one for its total (PARAMETERS)."""
    rows = []
    for model, parts in zip(trained, counts, strict=True):
        own = {"dataset": model.dataset, "name": model.name, "model": model.row, "backbone": model.backbone}
        rows += [own | {"part": NAMES.get(part, part), **n._asdict(), "paper": None} for part, n in parts.items()]
        total = Count(*map(sum, zip(*parts.values(), strict=True)))
        rows.append(own | {"part": TOTAL, **total._asdict(), "paper": sizes.get(model.row)})
    return pa.Table.from_pylist(rows, schema=PARAMETERS.schema)
