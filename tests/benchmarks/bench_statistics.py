"""Time and memory of the statistics of tables 1 and 2 at the size of the paper (`make bench-statistics`).

Made-up predictions of 12 rows with 5 seeds each for 5,700 stays and 25 phenotypes; patients are drawn as often as
config.yaml says. Printed: the bootstrap alone, and all three tables of a dataset with it.
"""

import os
import resource
import time

import numpy as np
import yaml
from runs import ROOT

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.comparisons import read_pairs
from clinragen.evaluate.paper.comparison import read_paper
from clinragen.evaluate.runs import Scored, Truth, marked
from clinragen.evaluate.statistics import estimate, tables_of
from clinragen.registry.phenotypes import read_phenotypes

STAYS, PATIENTS, SEEDS = 5700, 4600, 5
PREVALENCE, HIT, FALSE = 0.165, 0.66, 0.07  # 4.1 labels a stay, micro F1 some 0.65


def made_up(phenotypes: list[str], rows: list[str]) -> tuple[Truth, list[Scored]]:
    """Labels that each run finds with the same probability, and as many wrong ones."""
    rng = np.random.default_rng(1)
    true = rng.random((STAYS, len(phenotypes))) < PREVALENCE
    names = [frozenset(phenotypes[n] for n in np.flatnonzero(sample)) for sample in true]
    subjects = [*range(PATIENTS), *rng.integers(PATIENTS, size=STAYS - PATIENTS).tolist()]
    assert (marked(names, phenotypes) == true).all()
    runs = [
        Scored(row, seed, rng.random(true.shape) < np.where(true, HIT, FALSE)) for row in rows for seed in range(SEEDS)
    ]
    return Truth(list(range(STAYS)), subjects, names), runs


def main() -> None:
    """Print what the measurement took."""
    resources = ROOT / "resources"
    phenotypes, paper = read_phenotypes(resources / "phenotypes.csv"), read_paper(resources / "paper_table1.csv")
    pairs = read_pairs(resources / "paper_comparisons.csv")
    trained = dict.fromkeys(cell.model for cell in paper if not cell.model.startswith("LLM"))
    rows = [*trained, "w/o LAB&KNOW", "w/o KNOW", "w/o REASONING"]
    settings = Bootstrap(**yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["evaluate"]["bootstrap"])
    truth, runs = made_up(phenotypes, rows)
    print(f"{len(rows)} rows, {SEEDS} seeds, {STAYS} stays of {PATIENTS} patients, {settings.replicates} draws")
    print(f"{os.cpu_count()} cores, OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')}")
    clock = time.monotonic()
    estimate("MIMIC-III", truth, runs, phenotypes, settings)
    print(f"bootstrap: {time.monotonic() - clock:.1f} s")
    clock = time.monotonic()
    found = tables_of({"MIMIC-III": (truth, runs)}, phenotypes, pairs, "ClinRaGen", paper, settings)
    print(f"all tables: {time.monotonic() - clock:.1f} s, {found.comparisons.num_rows // 2} comparisons of each F1")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
