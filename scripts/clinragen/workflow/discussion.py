"""Which rows of a configuration answer the questions of the paper's discussion."""

from collections.abc import Iterator

from clinragen.config.asked import Asked
from clinragen.config.discussion import (
    VOCABULARIES,
    DiscussionRows,
    MissingRow,
    keys_by_vocabulary,
    student_among,
)
from clinragen.config.models import Model
from clinragen.config.root import Config
from clinragen.config.rows import Run, Runs, name_of
from clinragen.registry.raw import TITLES
from clinragen.workflow import inputs

OVERLAY = "config/discussion.yaml"
COMMAND = f"run `snakemake evaluate_discussion` with {OVERLAY} as the last --configfile"


def student_of(config: Config) -> str | None:
    """Return the key of the model that all questions are about, if there is one."""
    return student_among(config.models, config.evaluate.reference)


def keys_of_discussion(config: Config) -> set[str]:
    """Return the keys of `models` and `asked` that answer a question; none without a student."""
    name = student_of(config)
    return {*_models(config, name), *_asked(config)} if name else set()


def discussion_rows(config: Config) -> tuple[list[str], DiscussionRows]:
    """Return the predictions of all rows that answer a question, and a description of these rows.

    The configuration must have a student (`student_of`).
    """
    name = student_of(config)
    assert name is not None
    student, models, asked = config.models[name], _models(config, name), _asked(config)
    vocabularies = keys_by_vocabulary(config.models, name)
    without = {key: row for key, row in asked.items() if not row.question.label_list}
    teacher = next((row.row for row in without.values() if row.llm == student.teacher), None)
    lists = {key: _with_list(asked, row) for key, row in without.items()}
    files: list[tuple[str, Run]] = []
    for dataset in config.dataset_names():
        runs: list[tuple[str, str, int | None]] = [
            (model, name_of(config.models[model]), seed) for model in models for seed in config.seeds
        ]
        runs += [(key, row.row, None) for key, row in asked.items()]
        for key, row, seed in runs:
            run = Run(dataset=TITLES[dataset], row=row, seed=seed)
            files.append((inputs.predictions(config, dataset, key, run.name), run))
    rows = DiscussionRows(
        runs=Runs(datasets=[TITLES[d] for d in config.dataset_names()], runs=[run for _, run in files]),
        student=student.row,
        teacher=teacher,
        vocabularies={vocabulary: name_of(config.models[key]) for vocabulary, key in vocabularies.items()},
        lists={asked[key].row: asked[other].row for key, other in lists.items() if other},
        missing=[*_missing_vocabularies(vocabularies, student), *_missing_asked(lists, config, teacher, student)],
    )
    return [path for path, _ in files], rows


def _models(config: Config, student: str) -> list[str]:
    return list(dict.fromkeys([student, *keys_by_vocabulary(config.models, student).values()]))


def _asked(config: Config) -> dict[str, Asked]:
    """Return the scored rows that are asked for the diagnoses of the whole test split."""
    return {
        key: row
        for key, row in config.asked.items()
        if row.is_scored and row.question.task == "diagnose" and row.cases == "all"
    }


def _with_list(asked: dict[str, Asked], row: Asked) -> str | None:
    """Return the key of the row with the same question plus the list of phenotypes, or None."""
    question = row.question.model_copy(update={"label_list": True})
    return next((key for key, other in asked.items() if other.llm == row.llm and other.question == question), None)


def _missing_vocabularies(vocabularies: dict[str, str], student: Model) -> Iterator[MissingRow]:
    for vocabulary in VOCABULARIES:
        if vocabulary not in vocabularies:
            yield MissingRow(
                question="knowledge",
                group=vocabulary,
                model=student.row,
                remedy=f"needs a row of `models` like {student.row} with vocabulary: {vocabulary}; {COMMAND}",
            )


def _missing_asked(
    lists: dict[str, str | None], config: Config, teacher: str | None, student: Model
) -> Iterator[MissingRow]:
    for key, other in lists.items():
        if other is None:
            row = config.asked[key]
            remedy = f"needs a row of `asked` with llm: {row.llm} and label_list: true; {COMMAND}"
            yield MissingRow(question="contamination", group="all", model=row.row, remedy=remedy)
    if teacher is None:
        remedy = f"needs a row of `asked` with llm: {student.teacher}, task: diagnose and label_list: false"
        yield MissingRow(question="parity", group="all", model=student.row, remedy=remedy)
