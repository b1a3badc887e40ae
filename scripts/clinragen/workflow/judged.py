"""What language models rate as judges, as the configuration says; `<results>` is replaced by Snakemake."""

import itertools
from collections import Counter

from clinragen.config.llms import Stage
from clinragen.config.models import Model
from clinragen.config.root import Config
from clinragen.workflow import inputs

TABLE = 4  # its rows that are asked write rationales, which are rated


def student(config: Config) -> Model | None:
    """The student that is rated, and whose teacher is; None if `models` has no such row."""
    return config.models.get(config.evaluate.judge.trained)


def rates_student(config: Config) -> bool:
    """Whether the student itself is rated: it is there, has learned to write rationales, and does."""
    row = student(config)
    return row is not None and row.teacher is not None and config.evaluate.decoding.write == "all"


def names(config: Config) -> dict[str, str]:
    """Names of the systems that are rated besides the teacher, by their keys in `asked` and `models`.

    They are rows of the paper's tables; where two are the same, with the key.
    """
    rows = {key: row.row for key, row in config.asked.items() if TABLE in row.table}
    if rates_student(config):
        rows[config.evaluate.judge.trained] = student(config).row
    often = Counter(rows.values())
    return {key: row if often[row] == 1 else f"{row} ({key})" for key, row in rows.items()}


def systems(config: Config, dataset: str) -> dict[str, str]:
    """The predictions of these systems, with their names."""
    asked, seed = config.asked, f"seed{config.seeds[0]}"
    return {
        inputs.predictions(config, dataset, key, "asked" if key in asked else seed): name
        for key, name in names(config).items()
    }


def rationales(config: Config, dataset: str) -> list[str]:
    """The rationales of the student's teacher, which are rated as GT; none without a teacher."""
    row = student(config)
    return inputs.rationales(config, dataset, inputs.target(row), row.variant) if row else []


def longest(config: Config, system: str) -> int | None:
    """Most tokens of a rationale of a system, GT included; None where nothing limits them."""
    key = next((key for key, name in names(config).items() if name == system), None)
    if key == config.evaluate.judge.trained:
        return config.evaluate.decoding.max_new_tokens
    if key:
        llm, parts = config.asked[key].llm, len(inputs.prompts_of_asked(config.asked[key]))
    else:
        llm, parts = student(config).teacher, len(rationales(config, config.dataset_names()[0]))
    limit = config.llms[llm].limit
    return limit and limit * parts


def judges(config: Config) -> list[str]:
    """Names of the language models that rate; none where there is nothing to rate."""
    return config.evaluate.judge.llms if names(config) or rationales(config, config.dataset_names()[0]) else []


def ratings(config: Config) -> list[str]:
    """The ratings of every dataset and judge."""
    return [path for path, _ in _tables(config)]


def answers(config: Config) -> list[tuple[str, Stage]]:
    """The tables of all answers of language models behind the results, and what each of them holds."""
    return [*inputs.answers(config), *_tables(config)]


def _tables(config: Config) -> list[tuple[str, Stage]]:
    pairs = itertools.product(config.dataset_names(), judges(config))
    return [
        (f"<results>/{d}/evaluate/judge/{llm}/ratings.parquet", inputs.stage_of(config, "judge", d, llm))
        for d, llm in pairs
    ]
