"""The 17 variables of the benchmark."""

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Variable:
    """One variable; `normal` replaces values that were not measured, `levels` maps text to a score."""

    name: str
    unit: str
    categorical: bool
    normal: float
    plausible_low: float
    plausible_high: float
    levels: dict[str, float]


def read_variables(path: Path, number: int = 17) -> list[Variable]:
    """Return the 17 variables of resources/variables.csv in their order, or the 11 of the released code."""
    variables = []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            levels = dict(pair.rsplit("=", 1) for pair in row["levels"].split("|") if pair)
            if number == 17 or row["in_11"] == "1":
                variables.append(
                    Variable(
                        row["variable"],
                        row["unit"],
                        row["kind"] == "categorical",
                        float(row["normal"]),
                        float(row["plausible_low"]),
                        float(row["plausible_high"]),
                        {text: float(score) for text, score in levels.items()},
                    )
                )
    return variables
