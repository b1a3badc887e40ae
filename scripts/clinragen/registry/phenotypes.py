"""The 25 phenotypes of the benchmark."""

import csv
import re
from pathlib import Path

# Stands where a list of phenotypes is empty, in prompts and in targets alike: one constant wording
# (ambiguity 21), which is no phenotype.
NO_DISEASE = "no disease was diagnosed"


def read_phenotypes(path: Path) -> list[str]:
    """Names of the phenotypes in the benchmark's order (resources/phenotypes.csv)."""
    with path.open(encoding="utf-8", newline="") as file:
        return [row["phenotype"] for row in csv.DictReader(file)]


def slug(phenotype: str) -> str:
    """The phenotype as part of a file name: lower-case words joined by hyphens."""
    return "-".join(re.findall(r"[a-z0-9]+", phenotype.lower()))
