"""Which rows of the configuration the files about several of them show."""

import itertools

from clinragen.config.asked import Asked
from clinragen.config.models import Model
from clinragen.config.root import Config
from clinragen.config.rows import Run, name_of
from clinragen.registry.raw import TITLES
from clinragen.workflow.inputs import TABLES, predictions
from clinragen.workflow.paper import SCORED_TABLES


def diagnosed(row: Model | Asked) -> bool:
    """Whether a row is in a table of diagnoses, whose rows are compared with each other."""
    return bool(set(TABLES) & set(row.table))


def scored(row: Model | Asked) -> bool:
    """Whether a row is in a table of scores, which have intervals: table 6 included."""
    return bool(set(SCORED_TABLES) & set(row.table))


def diagnosed_runs(config: Config) -> list[tuple[str, Run]]:
    """The predictions of every run of every row of tables 1, 2 and 6, and which run they are of."""
    found = []
    for dataset, (name, row) in itertools.product(config.dataset_names(), (config.models | config.asked).items()):
        seeds, title = (config.seeds, name_of(row)) if isinstance(row, Model) else ([None], row.row)
        runs = [Run(dataset=TITLES[dataset], row=title, seed=seed) for seed in seeds if scored(row)]
        found += [(predictions(config, dataset, name, run.name), run) for run in runs]
    return found
