"""The 25 phenotypes of the benchmark."""

import csv
import re
from pathlib import Path

from clinragen.errors import UserError

# Text for an empty list of phenotypes in prompts and targets (ambiguity 21); it is not a phenotype.
NO_DISEASE = "no disease was diagnosed"


def read_phenotypes(path: Path) -> list[str]:
    """Return the names of the phenotypes in the benchmark's order (resources/phenotypes.csv); UserError without any."""
    with path.open(encoding="utf-8", newline="") as file:
        names = [row.get("phenotype") or "" for row in csv.DictReader(file)]
    if not all(names) or not names:
        raise UserError(f"{path}: expected a name in column phenotype of each row; restore it with git checkout")
    return names


def slug(phenotype: str) -> str:
    """Return the phenotype as part of a file name: lower-case words joined by hyphens."""
    return "-".join(re.findall(r"[a-z0-9]+", phenotype.lower()))
