"""Uncertainty of the scores of tables 1 and 2: intervals, comparisons of rows, scores of each phenotype.

Two sources of chance are kept apart. The choice of test patients: a bootstrap over patients, in which all runs are
scored on the same resampled patients. The randomness of training: t-tests over the seeds.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import SupportsFloat

import numpy as np
import pyarrow as pa

from clinragen.config.evaluate import Bootstrap
from clinragen.disclosure import FEWEST_HIDDEN, all_shown
from clinragen.errors import UserError
from clinragen.evaluate.comparisons import Pair, pairs_of
from clinragen.evaluate.paper.comparison import PaperCell
from clinragen.evaluate.runs import Scored, Truth, marked
from clinragen.evaluate.stats.bootstrap import interval, p_value, replicate, standard_error, sums_of_patients
from clinragen.evaluate.stats.classification import averaged, by_phenotype
from clinragen.evaluate.stats.significance import benjamini_hochberg, detectable, holm, paired, welch
from clinragen.schemas.statistics import COMPARISONS, INTERVALS, PHENOTYPE_SCORES

COMPARED = ("micro_f1", "macro_f1")


@dataclass(frozen=True)
class Estimates:
    """Scores of the rows of one dataset, each a mean over the runs of its row, also on resampled patients.

    `runs` has the scores [metrics] of each run by row and seed; `phenotypes` has precision, recall and F1
    [rows, phenotypes]; `scores` [replicates, rows, metrics] and `f1` [replicates, rows, phenotypes] are resampled.
    """

    dataset: str
    metrics: list[str]
    rows: list[str]
    runs: dict[str, dict[int | None, np.ndarray]]
    phenotypes: dict[str, np.ndarray]
    scores: np.ndarray
    f1: np.ndarray

    def mean(self, row: str, metric: str) -> float:
        """Return the mean of a metric over the runs of a row."""
        return float(np.mean(self._values(row, metric)))

    def of_seeds(self, row: str, metric: str) -> dict[int, float]:
        """Return the values of a metric by seed; empty for a row that is asked."""
        column = self.metrics.index(metric)
        return {seed: float(values[column]) for seed, values in self.runs[row].items() if seed is not None}

    def std(self, row: str, metric: str) -> float | None:
        """Return the sample standard deviation over the runs; None for one run."""
        values = self._values(row, metric)
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    def resampled(self, row: str, metric: str) -> np.ndarray:
        """Return the values [replicates] of a metric on resampled patients."""
        return self.scores[:, self.rows.index(row), self.metrics.index(metric)]

    def _values(self, row: str, metric: str) -> list[float]:
        column = self.metrics.index(metric)
        return [float(values[column]) for values in self.runs[row].values()]


def estimate(
    dataset: str, truth: Truth, runs: Iterable[Scored], phenotypes: Sequence[str], settings: Bootstrap
) -> Estimates:
    """Score all runs of a dataset on its test split and on the same resampled patients.

    Raises UserError if trained rows have different seeds, because means over fewer runs are not comparable.
    """
    by_row: dict[str, list[Scored]] = {}
    for run in runs:
        by_row.setdefault(run.row, []).append(run)
    check_seeds(dataset, {row: [run.seed for run in of_row] for row, of_row in by_row.items()})
    ordered = [run for of_row in by_row.values() for run in of_row]
    true = marked(truth.true, phenotypes)
    columns = [true, *(part for run in ordered for part in (run.predicted & true, run.predicted))]
    sums = sums_of_patients(np.concatenate(columns, axis=1).astype(np.int32), np.array(truth.subjects))
    starts = [0, *itertools.accumulate(map(len, by_row.values()))][:-1]
    sizes = np.array([len(of_row) for of_row in by_row.values()])

    def counts(summed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shape = (len(summed), len(ordered), 2, len(phenotypes))
        hits, predicted = np.moveaxis(summed[:, len(phenotypes) :].reshape(shape), 2, 0)
        return hits, predicted, summed[:, None, : len(phenotypes)]

    def mean(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values, starts, axis=1) / sizes[:, None]

    def of_rows(summed: np.ndarray) -> np.ndarray:
        counted = counts(summed)
        return mean(np.concatenate([_stacked(averaged(*counted)), by_phenotype(*counted)["f1"]], axis=-1))

    whole = counts(sums.sum(axis=0, keepdims=True))
    scored = averaged(*whole)
    each = {metric: mean(values)[0] for metric, values in by_phenotype(*whole).items()}
    of_runs = iter(_stacked(scored)[0])
    resampled = replicate(sums, of_rows, settings.replicates, settings.seed)
    return Estimates(
        dataset,
        ["_".join(name) for name in scored],
        list(by_row),
        {row: {run.seed: next(of_runs) for run in of_row} for row, of_row in by_row.items()},
        each,
        resampled[..., : len(scored)],
        resampled[..., len(scored) :],
    )


def _stacked(scores: dict[tuple[str, str], np.ndarray]) -> np.ndarray:
    return np.stack(list(scores.values()), axis=-1)


def check_seeds(dataset: str, seeds: dict[str, list[int | None]]) -> None:
    """Raise UserError unless all trained rows have one run of each seed; a row that is asked has one run."""
    trained = {row: of_row for row, of_row in seeds.items() if of_row != [None]}
    expected = sorted({seed for of_row in trained.values() for seed in of_row if seed is not None})
    for row, of_row in trained.items():
        if sorted(of_row, key=str) != sorted(expected, key=str):
            raise UserError(
                f"row {row!r} of {dataset} has runs of the seeds {sorted(of_row, key=str)}, but other rows have "
                f"{expected}; means over fewer runs cannot be compared. Run the workflow for all `seeds`"
            )


def intervals(estimates: Estimates, truth: Truth) -> pa.Table:
    """Return every score of every row with its interval (INTERVALS)."""
    rows = []
    for row, metric in itertools.product(estimates.rows, estimates.metrics):
        resampled = estimates.resampled(row, metric)
        low, high = interval(resampled)
        rows.append(
            {
                "dataset": estimates.dataset,
                "model": row,
                "metric": metric,
                "value": _rounded(estimates.mean(row, metric)),
                "std": _rounded(estimates.std(row, metric)),
                "n_seeds": len(estimates.runs[row]),
                "low": _rounded(low),
                "high": _rounded(high),
                "sampling_error": _rounded(standard_error(resampled)),
                "samples": len(truth.stays),
                "patients": len(set(truth.subjects)),
            }
        )
    return pa.Table.from_pylist(rows, schema=INTERVALS.schema)


def compare_rows(estimates: Estimates, pairs: Iterable[Pair], paper: Iterable[PaperCell]) -> list[dict]:
    """Compare pairs of rows on the same patients and seeds, for `corrected`; both rows must have runs."""
    printed = {(cell.model, cell.metric): cell.mean for cell in paper if cell.dataset == estimates.dataset}
    return [_compared(estimates, metric, pair, printed) for metric, pair in itertools.product(COMPARED, pairs)]


def corrected(rows: list[dict]) -> pa.Table:
    """Return the comparisons of all datasets (COMPARISONS), with Holm's correction over all of them."""
    adjusted = {test: holm([row[test] for row in rows]) for test in ("p_patients", "p_welch", "p_paired")}
    shown = []
    for n, row in enumerate(rows):
        tests = {test: _significant_digits(row[test]) for test in adjusted}
        shown.append(row | tests | {f"{test}_holm": _significant_digits(p[n]) for test, p in adjusted.items()})
    return pa.Table.from_pylist(shown, schema=COMPARISONS.schema)


def _compared(estimates: Estimates, metric: str, pair: Pair, printed: dict[tuple[str, str], float | None]) -> dict:
    differences = estimates.resampled(pair.model, metric) - estimates.resampled(pair.other, metric)
    low, high = interval(differences)
    seeds, others = (estimates.of_seeds(row, metric) for row in (pair.model, pair.other))
    paper, other_paper = (printed.get((row, metric)) for row in (pair.model, pair.other))
    return {
        "dataset": estimates.dataset,
        "metric": metric,
        "model": pair.model,
        "other": pair.other,
        "difference": _rounded(estimates.mean(pair.model, metric) - estimates.mean(pair.other, metric)),
        "low": _rounded(low),
        "high": _rounded(high),
        "p_patients": float(p_value(differences)),
        "p_welch": welch(list(seeds.values()), list(others.values())),
        "p_paired": paired(seeds, others),
        "detectable": _rounded(detectable(float(standard_error(differences)))),
        "paper_difference": None if paper is None or other_paper is None else _rounded(paper - other_paper),
    }


def score_phenotypes(estimates: Estimates, truth: Truth, phenotypes: Sequence[str], reference: str) -> pa.Table:
    """Return the scores of each phenotype, and their differences from the reference row (PHENOTYPE_SCORES).

    Phenotypes that few patients have, or that few do not have, are hidden for all rows, with enough others that the
    averages do not reveal them. The family of a correction is the shown phenotypes of a row.
    """
    hidden = _hidden(truth, phenotypes)
    shown = [n for n, phenotype in enumerate(phenotypes) if phenotype not in hidden]
    prevalence = marked(truth.true, phenotypes).mean(axis=0)
    low, high = interval(estimates.f1)
    at = estimates.rows.index(reference) if reference in estimates.rows else None
    rows = []
    for index, row in enumerate(estimates.rows):
        own = {n: {"prevalence": prevalence[n], "low": low[index, n], "high": high[index, n]} for n in shown}
        for n, (metric, values) in itertools.product(shown, estimates.phenotypes.items()):
            own[n][metric] = values[index, n]
        own = {n: {name: _rounded(value) for name, value in values.items()} for n, values in own.items()}
        if at is not None and index != at:
            f1 = estimates.phenotypes["f1"]
            p = p_value((estimates.f1[:, at] - estimates.f1[:, index])[:, shown])
            for n, each, q in zip(shown, p, benjamini_hochberg(list(p)), strict=True):
                own[n] |= {"difference": _rounded(f1[at, n] - f1[index, n])}
                own[n] |= {"p_patients": _significant_digits(each), "q": _significant_digits(q)}
        key = {"dataset": estimates.dataset, "model": row}
        rows += [key | {"phenotype": name} | own.get(n, {}) for n, name in enumerate(phenotypes)]
    return pa.Table.from_pylist(rows, schema=PHENOTYPE_SCORES.schema)


@dataclass(frozen=True)
class Statistics:
    """The tables of all datasets (INTERVALS, COMPARISONS, PHENOTYPE_SCORES)."""

    intervals: pa.Table
    comparisons: pa.Table
    phenotypes: pa.Table


def tables_of(
    scored: dict[str, tuple[Truth, list[Scored]]],
    phenotypes: Sequence[str],
    pairs: Sequence[Pair],
    reference: str,
    paper: Sequence[PaperCell],
    settings: Bootstrap,
) -> Statistics:
    """Return the tables, given the test split and the runs of each dataset."""
    compared, of_datasets = [], []
    for dataset, (truth, runs) in scored.items():
        estimates = estimate(dataset, truth, runs, phenotypes, settings)
        compared += compare_rows(estimates, pairs_of(estimates.rows, reference, pairs), paper)
        of_datasets.append((intervals(estimates, truth), score_phenotypes(estimates, truth, phenotypes, reference)))
    of_rows, of_phenotypes = map(pa.concat_tables, zip(*of_datasets, strict=True))
    return Statistics(of_rows, corrected(compared), of_phenotypes)


def _hidden(truth: Truth, phenotypes: Sequence[str]) -> set[str]:
    """Return the phenotypes whose scores would describe few patients."""
    having: dict[str, set[int]] = {name: set() for name in phenotypes}
    lacking: dict[str, set[int]] = {name: set() for name in phenotypes}
    for subject, names in zip(truth.subjects, truth.true, strict=True):
        for name in phenotypes:
            (having if name in names else lacking)[name].add(subject)
    hidden = {name for name in phenotypes if not all_shown((len(having[name]), len(lacking[name])))}
    if hidden:
        others = sorted(set(phenotypes) - hidden, key=lambda name: (min(len(having[name]), len(lacking[name])), name))
        hidden.update(others[: max(0, FEWEST_HIDDEN - len(hidden))])
    return hidden


def _rounded(value: SupportsFloat | None) -> float | None:
    """Round to nine decimals, so that pages, which show four, do not round twice."""
    return None if value is None else round(float(value), 9)


def _significant_digits(value: float | None) -> float | None:
    """Round a p value, which may be tiny, to six significant digits."""
    return None if value is None else float(f"{value:.6g}")
