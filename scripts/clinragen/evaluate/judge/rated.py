"""The ratings of all judges as one data frame, and how its parts may be shown."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from clinragen.disclosure import enough
from clinragen.registry.raw import TITLES
from clinragen.schemas.benchmark import SAMPLES
from clinragen.schemas.judge import BY_RULE, CONTROLS, RATINGS
from clinragen.schemas.ratings import AS_WRITTEN, CRITERIA, TEACHER

BOTH = "both"
ALL = "all"


def read_rated(ratings: list[Path], samples: list[Path]) -> pd.DataFrame:
    """RATINGS of every `.../{dataset}/evaluate/judge/{llm}/ratings.parquet`, a row each.

    Further columns: dataset, rater, patient (of the dataset), `judged` (rated by the model, not by rule), `all` (mean
    of the five ratings). Raters are in the order of their files, systems and conditions in that of the tables.
    `samples` are the tables `.../{dataset}/benchmark/samples.parquet`.
    """
    owners = {path.parts[-3]: _owners(SAMPLES.read(path)) for path in samples}
    frames = []
    for path in ratings:
        name, rater = _place(path)
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
    """The tables of ratings behind the rows of a dataset (or both) and rater."""
    found: dict[tuple[str, str], list[Path]] = {}
    for path in ratings:
        name, rater = _place(path)
        for dataset in (TITLES[name], BOTH):
            found.setdefault((dataset, rater), []).append(path)
    return found


def _place(path: Path) -> tuple[str, str]:
    """Dataset and judge of a table of ratings, from its path."""
    return path.parts[-5], path.parts[-2]


def _owners(samples: pa.Table) -> dict[int, int]:
    return dict(zip(samples["stay_id"].to_pylist(), samples["subject_id"].to_pylist(), strict=True))


def parts(rated: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Every dataset, and both together where there are two."""
    yield from rated.groupby("dataset", sort=False)
    if rated["dataset"].nunique() > 1:
        yield BOTH, rated


def may_be_shown(rows: pd.DataFrame) -> bool:
    """Whether a number over these rows may be shown: every dataset in it has enough patients, so none by difference."""
    return len(rows) > 0 and all(enough(own) for _, own in rows.groupby("dataset")["patient"])
