"""Predictions of a run, refused unless they are about exactly the samples that the model is tested on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from clinragen.config.rows import Run
from clinragen.errors import UserError
from clinragen.schemas.evaluate import PREDICTIONS


@dataclass(frozen=True)
class Truth:
    """The samples that a model is tested on, each with its patient and the phenotypes that it has."""

    stays: list[int]
    subjects: list[int]
    true: list[frozenset[str]]


@dataclass(frozen=True)
class Scored:
    """One run of a row: what it predicts, as booleans [samples, phenotypes]; `seed` is None for what is asked."""

    row: str
    seed: int | None
    predicted: np.ndarray


def truth_of(samples: pa.Table, labels: pa.Table, cases: pa.Table | None = None) -> Truth:
    """The test split (SAMPLES, LABELS), or those of its samples that are `cases` (CASES)."""
    only = None if cases is None else set(cases["stay_id"].to_pylist())
    names = dict(zip(labels["stay_id"].to_pylist(), labels["phenotypes"].to_pylist(), strict=True))
    rows = [r for r in samples.to_pylist() if r["split"] == "test" and (only is None or r["stay_id"] in only)]
    stays = [row["stay_id"] for row in rows]
    return Truth(stays, [row["subject_id"] for row in rows], [frozenset(names[stay]) for stay in stays])


def read_run(path: Path, truth: Truth, phenotypes: list[str], row: str, run: str) -> pa.Table:
    """The predictions of a run (PREDICTIONS), in the order of the samples that it is tested on.

    UserError, which names row, run and file, unless there is exactly one prediction for each of these samples, with
    their own labels, and nothing is predicted but phenotypes: scores of anything else would be those of other samples.
    """
    try:
        table = PREDICTIONS.read(path)
        problem = _problem(table, truth, phenotypes)
    except UserError as error:
        problem = str(error)
    if problem:
        raise UserError(
            f"{path}: the predictions of row {row!r}, run {run}, cannot be scored: {problem}. Remove the file and run "
            "the workflow again, which predicts all samples; nothing is scored on fewer samples"
        )
    place = {stay: n for n, stay in enumerate(table["stay_id"].to_pylist())}
    return table.take([place[stay] for stay in truth.stays])


def read_scored(path: Path, truth: Truth, phenotypes: list[str], run: Run) -> Scored:
    """What a run predicts for the samples that it is tested on, in their order; UserError as in `read_run`."""
    table = read_run(path, truth, phenotypes, run.row, run.name)
    return Scored(run.row, run.seed, marked(table["predicted"].to_pylist(), phenotypes))


def _problem(table: pa.Table, truth: Truth, phenotypes: list[str]) -> str | None:
    stays, wanted = set(table["stay_id"].to_pylist()), set(truth.stays)
    if stays != wanted:
        return (
            f"{len(wanted - stays)} of {len(wanted)} test samples are missing, and {len(stays - wanted)} predictions "
            "are about other samples"
        )
    true = dict(zip(truth.stays, truth.true, strict=True))
    columns = (table[name].to_pylist() for name in ("stay_id", "true"))
    others = sum(true[stay] != set(names) for stay, names in zip(*columns, strict=True))
    if others:
        return f"{others} samples have other labels than benchmark/labels.parquet"
    unknown = sum(not set(names) <= set(phenotypes) for names in table["predicted"].to_pylist())
    return f"{unknown} predictions name something that is no phenotype" if unknown else None


def marked(names: Iterable[Iterable[str]], phenotypes: Sequence[str]) -> np.ndarray:
    """Whether each sample has each phenotype: booleans [samples, phenotypes]."""
    place = {phenotype: n for n, phenotype in enumerate(phenotypes)}
    rows = [list(each) for each in names]
    found = np.zeros((len(rows), len(phenotypes)), dtype=bool)
    for sample, each in zip(found, rows, strict=True):
        sample[[place[name] for name in each]] = True
    return found
