"""Which rows of a configuration the paper's tables and figures show."""

import itertools

from clinragen.config.paper import Configured, TimedJob
from clinragen.config.root import Config
from clinragen.registry.paper_rows import PAPER_ROWS, read_paper_rows
from clinragen.registry.raw import TITLES
from clinragen.workflow import inputs

# Numbers of the paper's tables of scores; the rows of table 6 are in config/table6.yaml.
SCORED_TABLES = (*inputs.TABLES, 6)
# Keys of `models` whose times are in the paper's Table 3; figure 7 shows the first.
CLINRAGEN, LLAMA = "clinragen", "llama-ft"


def configured(config: Config, table: int) -> Configured:
    """Return the datasets and rows that the configuration has of one of the paper's tables."""
    sections: dict[str, dict] = {"models": config.models, "asked": config.asked}
    keys = []
    for key in dict.fromkeys(row.key for row in read_paper_rows(PAPER_ROWS, table)):
        section, name = key.split(".", 1)
        row = sections[section].get(name)
        # Tables 3 and 4 show rows regardless of their `table`.
        if row is not None and (table in row.table or table not in SCORED_TABLES):
            keys.append(key)
    return Configured(datasets=[TITLES[name] for name in config.dataset_names()], keys=keys)


def timed_jobs(config: Config) -> list[tuple[str, TimedJob]]:
    """Return an output and a description of every job whose time is in the paper's Table 3."""
    retrieval, teaching, llama, clinragen = (row.model for row in read_paper_rows(PAPER_ROWS, 3))
    jobs: list[tuple[str, TimedJob]] = []
    row = config.models.get(CLINRAGEN)
    if row is not None and row.vocabulary is not None and row.uses_knowledge:
        files = [*(f"{source}.parquet" for source in config.knowledge.terms.sources), "terms.parquet"]
        paths = [*(f"<results>/knowledge/{file}" for file in files), inputs.vocabulary(row.vocabulary, row.backbone)]
        jobs += [(path, TimedJob(stage=retrieval, dataset=None, seed=None)) for path in paths]
    for dataset in config.dataset_names():
        title, shards = TITLES[dataset], config.rationale.shards
        for path in inputs.rationales(config, dataset, inputs.target(row), row.variant) if row else []:
            stem = path.removesuffix(".parquet")
            parts = [f"{stem}/{n}-of-{shards}.parquet" for n in range(1, shards + 1)] if shards > 1 else [path]
            jobs += [(part, TimedJob(stage=teaching, dataset=title, seed=None)) for part in parts]
        for stage, name in ((llama, LLAMA), (clinragen, CLINRAGEN)):
            model = config.models.get(name)
            if model is None:
                continue
            for seed, training in itertools.product(config.seeds, model.stages):
                path = inputs.stage_checkpoint(config, model, dataset, seed, training)
                jobs.append((path, TimedJob(stage=stage, dataset=title, seed=seed)))
    return jobs
