"""The ratings of all judges as one data frame, and which parts of it may be shown."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from clinragen.disclosure import enough
from clinragen.registry.raw import TITLES
from clinragen.schemas.benchmark import SAMPLES
from clinragen.schemas.judge import BY_RULE, CONTROLS, RATINGS
from clinragen.schemas.ratings import ALL, AS_WRITTEN, CRITERIA, TEACHER

BOTH = "both"
"""Both datasets together, in the column of datasets."""


def read_rated(ratings: list[Path], samples: list[Path]) -> pd.DataFrame:
    """Join RATINGS of every `.../{dataset}/evaluate/judge/{llm}/ratings.parquet`.

    Further columns: dataset, rater, patient (unique across datasets), `judged` (by the model, not by rule), `all` (mean
    of the five ratings). Raters are in file order, systems and conditions in the order of the paper's tables. `samples`
    are the tables `.../{dataset}/benchmark/samples.parquet`.
    """
    owners = {path.parts[-3]: _owners(SAMPLES.read(path)) for path in samples}
    frames = []
    for path in ratings:
        name, rater = _dataset_and_judge(path)
        frame = RATINGS.read(path).to_pandas()
        frame.insert(0, "dataset", TITLES[name])
        frame.insert(1, "rater", rater)
        frame["patient"] = [f"{name}/{owners[name][stay]}" for stay in frame["stay_id"]]
        frames.append(frame)
    rated = pd.concat(frames, ignore_index=True)
    rated[list(CRITERIA)] = rated[list(CRITERIA)].astype(np.float64)
    rated[ALL] = rated[list(CRITERIA)].mean(axis=1, skipna=False)
    rated["rater"] = pd.Categorical(rated["rater"], list(dict.fromkeys(rated["rater"])))
    order = [TEACHER, *sorted(set(rated["system"]) - {TEACHER})]
    rated["system"] = pd.Categorical(rated["system"], order)
    rated["condition"] = pd.Categorical(rated["condition"], [AS_WRITTEN, *CONTROLS])
    rated["judged"] = (rated["status"] != BY_RULE) & rated[ALL].notna()
    return rated


def behind(ratings: list[Path]) -> dict[tuple[str, str], list[Path]]:
    """Return the tables of ratings behind the rows of each dataset (or both) and rater."""
    paths: dict[tuple[str, str], list[Path]] = {}
    for path in ratings:
        name, rater = _dataset_and_judge(path)
        for dataset in (TITLES[name], BOTH):
            paths.setdefault((dataset, rater), []).append(path)
    return paths


def _dataset_and_judge(path: Path) -> tuple[str, str]:
    """Return the dataset and judge of a table of ratings, from its path."""
    return path.parts[-5], path.parts[-2]


def _owners(samples: pa.Table) -> dict[int, int]:
    return dict(zip(samples["stay_id"].to_pylist(), samples["subject_id"].to_pylist(), strict=True))


def parts(rated: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield every dataset, and both together if there are two."""
    yield from rated.groupby("dataset", sort=False)
    if rated["dataset"].nunique() > 1:
        yield BOTH, rated


def may_be_shown(rows: pd.DataFrame) -> bool:
    """Return whether a number over these rows may be shown: every dataset in them has enough patients.

    The number over both datasets must not reveal that of one dataset by subtraction.
    """
    return len(rows) > 0 and all(enough(own) for _, own in rows.groupby("dataset")["patient"])
