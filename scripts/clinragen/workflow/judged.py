"""What judges and people rate, as the configuration says; `<results>` is replaced by Snakemake."""

import itertools
from collections import Counter

from clinragen.config.llms import Stage
from clinragen.config.models import Model
from clinragen.config.root import Config
from clinragen.config.rows import name_of
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
    """Names of the systems that judges rate besides the teacher, by their keys in `asked` and `models`."""
    return _names(config, config.evaluate.judge.trained if rates_student(config) else None)


def _names(config: Config, trained: str | None) -> dict[str, str]:
    """Names of the rated rows of `asked`, and of a student.

    They are rows of the paper's tables; where two are the same, with the key.
    """
    rows = {key: row.row for key, row in config.asked.items() if TABLE in row.table}
    if trained is not None:
        rows[trained] = name_of(config.models[trained])
    often = Counter(rows.values())
    return {key: row if often[row] == 1 else f"{row} ({key})" for key, row in rows.items()}


def systems(config: Config, dataset: str) -> dict[str, str]:
    """The predictions of the systems that judges rate, with their names."""
    return _predictions(config, dataset, names(config))


def _predictions(config: Config, dataset: str, rows: dict[str, str]) -> dict[str, str]:
    asked, seed = config.asked, f"seed{config.seeds[0]}"
    return {
        inputs.predictions(config, dataset, key, "asked" if key in asked else seed): name for key, name in rows.items()
    }


def rationales(config: Config, dataset: str) -> list[str]:
    """The rationales of the student's teacher, which are rated as GT; none without a teacher."""
    return _of_teacher(config, dataset, student(config))


def _of_teacher(config: Config, dataset: str, row: Model | None) -> list[str]:
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


def teacher_of_study(config: Config) -> list[str]:
    """The rationales of the teacher of the student in the human study, on notes and on labs."""
    return _of_teacher(config, config.study.dataset, config.models[config.study.trained])


def systems_of_study(config: Config) -> dict[str, str]:
    """The predictions of the systems that people rate besides the teacher, with their names."""
    return _predictions(config, config.study.dataset, _names(config, config.study.trained))


def people_rate(config: Config) -> bool:
    """Whether the human study has ratings, by people or by simulated raters."""
    return config.study is not None and (config.study.responses is not None or config.simulates_raters())


def ratings_of_study(config: Config) -> list[str]:
    """The ratings of the judges with which those of people are compared; none where they rate another student."""
    study = config.study
    if not people_rate(config) or study.trained != config.evaluate.judge.trained:
        return []
    return [_ratings(study.dataset, llm) for llm in judges(config)]


def _ratings(dataset: str, llm: str) -> str:
    return f"<results>/{dataset}/evaluate/judge/{llm}/ratings.parquet"


def answers(config: Config) -> list[tuple[str, Stage]]:
    """The tables of all answers of language models behind the results, and what each of them holds."""
    return [*inputs.answers(config), *_tables(config)]


def _tables(config: Config) -> list[tuple[str, Stage]]:
    pairs = itertools.product(config.dataset_names(), judges(config))
    return [(_ratings(d, llm), inputs.stage_of(config, "judge", d, llm)) for d, llm in pairs]
