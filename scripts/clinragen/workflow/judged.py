"""What language models rate as judges, as the configuration says; `<results>` is replaced by Snakemake."""

import itertools

from clinragen.config.llms import Stage
from clinragen.config.models import Model
from clinragen.config.root import Config
from clinragen.workflow import inputs

TABLE = 4  # its rows that are asked write rationales, which are rated


def student(config: Config) -> tuple[str, Model] | None:
    """Name and row of the student that is rated, and whose teacher is; None if `models` has no such row."""
    name = config.evaluate.judge.trained
    return (name, config.models[name]) if name in config.models else None


def trained_models(config: Config) -> list[Model]:
    """The rows of `models` that ratings depend on: the student, or its teacher's rationales alone."""
    trained = student(config)
    return [trained[1]] if trained else []


def rates_student(config: Config) -> bool:
    """Whether the student itself is rated: it is there, has learned to write rationales, and does."""
    trained = student(config)
    return trained is not None and trained[1].teacher is not None and config.evaluate.decoding.write == "all"


def asked_rows(config: Config) -> list[str]:
    """Names of the rows of `asked` that are rated."""
    return [name for name, row in config.asked.items() if TABLE in row.table]


def systems(config: Config, dataset: str) -> dict[str, str]:
    """The predictions of the systems that are rated, with their rows; the teacher is none of them.

    The student is left out where it writes no rationale.
    """
    found = {inputs.predictions(config, dataset, name, "asked"): config.asked[name].row for name in asked_rows(config)}
    trained = student(config)
    if trained and rates_student(config):
        found[inputs.predictions(config, dataset, trained[0], f"seed{config.seeds[0]}")] = trained[1].row
    return found


def rationales(config: Config, dataset: str) -> list[str]:
    """The rationales of the student's teacher, which are rated as GT; none without a teacher."""
    trained = student(config)
    return inputs.rationales(config, dataset, inputs.target(trained[1]), trained[1].variant) if trained else []


def longest(config: Config, system: str) -> int | None:
    """Most tokens of a rationale of a system, GT included; None where nothing limits them."""
    trained, asked = student(config), {config.asked[name].row: config.asked[name] for name in asked_rows(config)}
    if trained and system == trained[1].row:
        return config.evaluate.decoding.max_new_tokens
    if system in asked:
        llm, parts = asked[system].llm, len(inputs.prompts_of_asked(asked[system]))
    else:
        llm, parts = trained[1].teacher, len(rationales(config, config.dataset_names()[0]))
    limit = config.llms[llm].limit
    return limit and limit * parts


def judges(config: Config) -> list[str]:
    """Names of the language models that rate; none where there is nothing to rate."""
    dataset = config.dataset_names()[0]
    return config.evaluate.judge.llms if systems(config, dataset) or rationales(config, dataset) else []


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
