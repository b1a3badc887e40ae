"""How many parameters the trained models have, part by part, beside the sizes that the paper prints."""

import csv
import json
from pathlib import Path

import pyarrow as pa

from clinragen.config.models import Trained
from clinragen.errors import UserError
from clinragen.schemas.evaluate import PARAMETERS

NAMES = {"encoder": "series encoder", "qformer": "Q-Former"}
TOTAL = "total"


def read_counts(checkpoint: Path) -> dict[str, int]:
    """Parameters of each part of a trained student, as it counted them itself; UserError if it is unreadable."""
    try:
        counts = json.loads((checkpoint / "student.json").read_text(encoding="utf-8"))["parameters"]
        return {str(part): int(count) for part, count in counts.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{checkpoint}: no readable student.json: {error!r}; train it again") from None


def read_sizes(path: Path) -> dict[str, int]:
    """The number of parameters that the paper's Table 1 prints (resources/paper_sizes.csv), by row."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["model"]: round(float(row["millions"]) * 1e6) for row in csv.DictReader(file)}


def parameters(trained: list[Trained], counts: list[dict[str, int]], sizes: dict[str, int]) -> pa.Table:
    """A row per part of each model, and one for all of them (PARAMETERS)."""
    rows = []
    for model, parts in zip(trained, counts, strict=True):
        own = {"dataset": model.dataset, "name": model.name, "model": model.row, "backbone": model.backbone}
        rows += [own | {"part": NAMES.get(p, p), "parameters": n, "paper": None} for p, n in parts.items()]
        rows.append(own | {"part": TOTAL, "parameters": sum(parts.values()), "paper": sizes.get(model.row)})
    return pa.Table.from_pylist(rows, schema=PARAMETERS.schema)
