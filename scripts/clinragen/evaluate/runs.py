"""Read the predictions of a run, which must be about exactly the test samples of its model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from clinragen.config.rows import Run
from clinragen.errors import UserError
from clinragen.schemas.predictions import PREDICTIONS


@dataclass(frozen=True)
class Truth:
    """The test samples of a model, each with its patient and its phenotypes."""

    stays: list[int]
    subjects: list[int]
    true: list[frozenset[str]]


@dataclass(frozen=True)
class Scored:
    """One run of a row: predictions as booleans [samples, phenotypes]; `seed` is None for an asked model."""

    row: str
    seed: int | None
    predicted: np.ndarray


def truth_of(samples: pa.Table, labels: pa.Table, cases: pa.Table | None = None) -> Truth:
    """Return the test split (SAMPLES, LABELS), or only those of its samples that are `cases` (CASES)."""
    only = None if cases is None else set(cases["stay_id"].to_pylist())
    names = dict(zip(labels["stay_id"].to_pylist(), labels["phenotypes"].to_pylist(), strict=True))
    rows = [r for r in samples.to_pylist() if r["split"] == "test" and (only is None or r["stay_id"] in only)]
    stays = [row["stay_id"] for row in rows]
    return Truth(stays, [row["subject_id"] for row in rows], [frozenset(names[stay]) for stay in stays])


def read_run(path: Path, truth: Truth, phenotypes: list[str], row: str, run: str) -> pa.Table:
    """Return the predictions of a run (PREDICTIONS) in the order of its test samples.

    Raises UserError, which names row, run and file, unless there is exactly one prediction for each of these samples,
    with the same labels, and only phenotypes are predicted.
    """
    try:
        table = PREDICTIONS.read(path)
        problem = _problem(table, truth, phenotypes)
    except UserError as error:
        problem = str(error)
    if problem:
        raise UserError(
            f"{path}: the predictions of row {row!r}, run {run}, cannot be scored: {problem}. Remove the file and run "
            "the workflow again, which predicts all samples; scores over fewer samples are not computed"
        )
    index = {stay: n for n, stay in enumerate(table["stay_id"].to_pylist())}
    return table.take([index[stay] for stay in truth.stays])


def read_scored(path: Path, truth: Truth, phenotypes: list[str], run: Run) -> Scored:
    """Return the predictions of a run as booleans, in the order of its test samples; errors as in `read_run`."""
    table = read_run(path, truth, phenotypes, run.row, run.name)
    return Scored(run.row, run.seed, marked(table["predicted"].to_pylist(), phenotypes))


def _problem(table: pa.Table, truth: Truth, phenotypes: list[str]) -> str | None:
    stays, expected = set(table["stay_id"].to_pylist()), set(truth.stays)
    if stays != expected:
        return (
            f"{len(expected - stays)} of {len(expected)} test samples are missing, and {len(stays - expected)} "
            "predictions are about other samples"
        )
    true = dict(zip(truth.stays, truth.true, strict=True))
    columns = (table[name].to_pylist() for name in ("stay_id", "true"))
    others = sum(true[stay] != set(names) for stay, names in zip(*columns, strict=True))
    if others:
        return f"{others} samples have other labels than benchmark/labels.parquet"
    unknown = sum(not set(names) <= set(phenotypes) for names in table["predicted"].to_pylist())
    return f"{unknown} predictions have a name that is not a phenotype" if unknown else None


def marked(names: Iterable[Iterable[str]], phenotypes: Sequence[str]) -> np.ndarray:
    """Return which samples have which phenotypes: booleans [samples, phenotypes]."""
    column = {phenotype: n for n, phenotype in enumerate(phenotypes)}
    rows = [list(each) for each in names]
    has = np.zeros((len(rows), len(phenotypes)), dtype=bool)
    for sample, each in zip(has, rows, strict=True):
        sample[[column[name] for name in each]] = True
    return has
