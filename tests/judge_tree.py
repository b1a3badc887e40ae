"""Ratings of judges with known behaviour, as files of a results tree."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from clinragen.schemas.benchmark import SAMPLES
from clinragen.schemas.judge import CONTROLS, RATINGS
from clinragen.schemas.ratings import AS_WRITTEN, CRITERIA

LEVEL = {"GT": 4, "ClinRaGen": 3, "Mistral": 2}
STAYS = 40


def ratings(judge: str, dataset: str = "mimic3", stays: int = STAYS) -> list[dict]:
    """Return ratings of a judge that `reads` (controls fall by 2), is `blind` (they stay) or counts words (`long`)."""
    generator, rows = np.random.default_rng(len(dataset)), []
    for stay in range(stays):
        for system, level in LEVEL.items():
            words = int(generator.integers(20, 160))
            for condition in (AS_WRITTEN, *CONTROLS):
                rating = level + int(generator.integers(0, 2))
                if judge == "reads" and condition != AS_WRITTEN:
                    rating = max(1, rating - 2)
                if judge == "long":
                    rating = int(np.clip(round(np.log2(words) - 3), 1, 5))
                rows.append(row(stay, system, condition, rating, words=words))
    return rows


def row(stay: int, system: str, condition: str, rating: int | None, **changes: object) -> dict:
    """Return one row of RATINGS with the same rating for every criterion."""
    given = {"status": "good", "request": "r", "reason": "It fits.", "words": 50, "note_cut": 0, "problems": None}
    place = {"stay_id": stay, "system": system, "condition": condition}
    return place | dict.fromkeys(CRITERIA, rating) | given | changes


def write(tree: Path, of: dict[tuple[str, str], list[dict]]) -> tuple[list[Path], list[Path]]:
    """Write ratings by dataset and judge, and samples with two stays per patient; return the paths of both."""
    paths, samples = [], []
    for (dataset, judge), rows in of.items():
        path = tree / f"{dataset}/evaluate/judge/{judge}/ratings.parquet"
        path.parent.mkdir(parents=True)
        RATINGS.write(pa.Table.from_pylist(rows, RATINGS.schema), path)
        paths.append(path)
    stays = list(range(STAYS))
    columns = {"stay_id": stays, "subject_id": [n // 2 for n in stays], "hadm_id": stays, "split": ["test"] * STAYS}
    for dataset in dict.fromkeys(dataset for dataset, _ in of):
        path = tree / f"{dataset}/benchmark/samples.parquet"
        path.parent.mkdir(parents=True)
        SAMPLES.write(pa.table(columns).cast(SAMPLES.schema), path)
        samples.append(path)
    return paths, samples
