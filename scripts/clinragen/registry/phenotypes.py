"""The 25 phenotypes of the benchmark."""

import csv
import re
from pathlib import Path

# Text for an empty list of phenotypes in prompts and targets (ambiguity 21); it is not a phenotype.
NO_DISEASE = "no disease was diagnosed"


def read_phenotypes(path: Path) -> list[str]:
    """Return the names of the phenotypes in the benchmark's order (resources/phenotypes.csv)."""
    with path.open(encoding="utf-8", newline="") as file:
        return [row["phenotype"] for row in csv.DictReader(file)]


def slug(phenotype: str) -> str:
    """Return the phenotype as part of a file name: lower-case words joined by hyphens."""
    return "-".join(re.findall(r"[a-z0-9]+", phenotype.lower()))
