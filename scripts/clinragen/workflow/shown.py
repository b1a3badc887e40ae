"""Which rows of the configuration appear in outputs that compare several of them."""

import itertools
from collections.abc import Sequence

from clinragen.config.asked import Asked
from clinragen.config.models import Model
from clinragen.config.root import Config
from clinragen.config.rows import Run, name_of
from clinragen.registry.raw import TITLES
from clinragen.workflow.inputs import TABLES, predictions
from clinragen.workflow.paper import SCORED_TABLES


def diagnosed(row: Model | Asked) -> bool:
    """Return whether a row is in a table of diagnoses, whose rows are compared with each other."""
    return bool(set(TABLES) & set(row.table))


def scored(row: Model | Asked) -> bool:
    """Return whether a row is in a table of scores with intervals, table 6 included."""
    return bool(set(SCORED_TABLES) & set(row.table))


def diagnosed_runs(config: Config) -> list[tuple[str, Run]]:
    """Return the predictions of every run of the rows of tables 1, 2 and 6, with their runs."""
    rows: dict[str, Model | Asked] = {**config.models, **config.asked}
    files: list[tuple[str, Run]] = []
    for dataset, (name, row) in itertools.product(config.dataset_names(), rows.items()):
        seeds: Sequence[int | None] = config.seeds if isinstance(row, Model) else [None]
        title = name_of(row) if isinstance(row, Model) else row.row
        runs = [Run(dataset=TITLES[dataset], row=title, seed=seed) for seed in seeds if scored(row)]
        files += [(predictions(config, dataset, name, run.name), run) for run in runs]
    return files
