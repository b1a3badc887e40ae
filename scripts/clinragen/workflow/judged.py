"""What judges and people rate under a configuration; Snakemake replaces `<results>` in paths."""

import itertools
from collections import Counter

from clinragen.config.llms import Stage
from clinragen.config.models import Model
from clinragen.config.root import Config
from clinragen.config.rows import name_of
from clinragen.config.study import Study
from clinragen.workflow import inputs

TABLE = 4  # the asked rows of this table write rationales, which are rated


def student(config: Config) -> Model | None:
    """Return the student that is rated together with its teacher; None if `models` has no such row."""
    return config.models.get(config.evaluate.judge.trained)


def rates_student(config: Config) -> bool:
    """Return whether the student itself is rated: it exists, and writes rationales as it has learned to."""
    row = student(config)
    return row is not None and row.teacher is not None and config.evaluate.decoding.write == "all"


def names(config: Config) -> dict[str, str]:
    """Return the names of the systems that judges rate in addition to the teacher, by key of `asked` or `models`."""
    return _names(config, config.evaluate.judge.trained if rates_student(config) else None)


def _names(config: Config, trained: str | None) -> dict[str, str]:
    """Return the names of the rated rows of `asked` and of the student `trained`, by key.

    A name is that of the row in the paper's tables, followed by the key if two systems share it.
    """
    rows = {key: row.row for key, row in config.asked.items() if TABLE in row.table}
    if trained is not None:
        rows[trained] = name_of(config.models[trained])
    counts = Counter(rows.values())
    return {key: row if counts[row] == 1 else f"{row} ({key})" for key, row in rows.items()}


def systems(config: Config, dataset: str) -> dict[str, str]:
    """Return the names of the systems that judges rate, by the path of their predictions."""
    return _predictions(config, dataset, names(config))


def _predictions(config: Config, dataset: str, rows: dict[str, str]) -> dict[str, str]:
    asked, seed = config.asked, f"seed{config.seeds[0]}"
    return {
        inputs.predictions(config, dataset, key, "asked" if key in asked else seed): name for key, name in rows.items()
    }


def rationales(config: Config, dataset: str) -> list[str]:
    """Return the rationales of the student's teacher, which are rated as GT; none without a teacher."""
    return _of_teacher(config, dataset, student(config))


def _of_teacher(config: Config, dataset: str, row: Model | None) -> list[str]:
    return inputs.rationales(config, dataset, inputs.target(row), row.variant) if row else []


def longest(config: Config, system: str) -> int | None:
    """Return the maximum number of tokens of a system's rationale (GT is the teacher); None if there is no limit."""
    key = next((key for key, name in names(config).items() if name == system), None)
    if key == config.evaluate.judge.trained:
        return config.evaluate.decoding.max_new_tokens
    if key:
        llm, parts = config.asked[key].llm, len(inputs.prompts_of_asked(config.asked[key]))
    else:
        row = student(config)
        assert row is not None and row.teacher is not None  # only a student with a teacher has GT
        llm, parts = row.teacher, len(rationales(config, config.dataset_names()[0]))
    limit = config.llms[llm].limit
    return limit and limit * parts


def judges(config: Config) -> list[str]:
    """Return the names of the judges; none if there is nothing to rate."""
    return config.evaluate.judge.llms if names(config) or rationales(config, config.dataset_names()[0]) else []


def ratings(config: Config) -> list[str]:
    """Return the paths of the ratings of every dataset and judge."""
    return [path for path, _ in _tables(config)]


def teacher_of_study(config: Config) -> list[str]:
    """Return the note and lab rationales of the teacher of the student in the human study."""
    study = _study(config)
    return _of_teacher(config, study.dataset, config.models[study.trained])


def systems_of_study(config: Config) -> dict[str, str]:
    """Return the names of the systems that people rate in addition to the teacher, by path of their predictions."""
    study = _study(config)
    return _predictions(config, study.dataset, _names(config, study.trained))


def _study(config: Config) -> Study:
    """Return the human study of a configuration that has one."""
    assert config.study is not None
    return config.study


def people_rate(config: Config) -> bool:
    """Return whether the human study has ratings, by people or by simulated raters."""
    return config.study is not None and (config.study.responses is not None or config.simulates_raters())


def ratings_of_study(config: Config) -> list[str]:
    """Return the judges' ratings that are compared with people's; none if judges rate a different student."""
    if not people_rate(config) or _study(config).trained != config.evaluate.judge.trained:
        return []
    return [_ratings(_study(config).dataset, llm) for llm in judges(config)]


def _ratings(dataset: str, llm: str) -> str:
    return f"<results>/{dataset}/evaluate/judge/{llm}/ratings.parquet"


def answers(config: Config) -> list[tuple[str, Stage]]:
    """Return the path and the content of every table of answers that language models contribute to the results."""
    return [*inputs.answers(config), *_tables(config)]


def _tables(config: Config) -> list[tuple[str, Stage]]:
    pairs = itertools.product(config.dataset_names(), judges(config))
    return [(_ratings(d, llm), inputs.stage_of(config, "judge", d, llm)) for d, llm in pairs]
