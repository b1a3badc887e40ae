"""Which rows of the configuration the files about several of them show."""

import itertools

from clinragen.config.asked import Asked
from clinragen.config.models import Model
from clinragen.config.root import Config
from clinragen.config.rows import Run
from clinragen.registry.raw import TITLES
from clinragen.workflow.inputs import TABLES, predictions


def diagnosed(row: Model | Asked) -> bool:
    """Whether a row is in a table of diagnoses, whose rows are compared with each other."""
    return bool(set(TABLES) & set(row.table))


def diagnosed_runs(config: Config) -> list[tuple[str, Run]]:
    """The predictions of every run of every row of tables 1 and 2, and which run they are of."""
    found = []
    for dataset, (name, row) in itertools.product(config.dataset_names(), (config.models | config.asked).items()):
        seeds = config.seeds if name in config.models else [None]
        runs = [Run(dataset=TITLES[dataset], row=row.row, seed=seed) for seed in seeds if diagnosed(row)]
        found += [(predictions(config, dataset, name, run.name), run) for run in runs]
    return found
