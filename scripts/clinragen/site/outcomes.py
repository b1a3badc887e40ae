"""What came out, in a few numbers, from the tables of the results."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from clinragen.evaluate.paper.claims import IN_PRINT, VERDICTS
from clinragen.evaluate.planted import AS_IS, LABELS, SERIES

METRICS = {"micro_f1": "micro F1", "macro_f1": "macro F1"}
BEST_TRAINED, BEST_ASKED = 3, 1  # rows of other systems in the headline
LABS = "labs"


@dataclass(frozen=True)
class Claims:
    """How many claims have each answer, in the paper's own numbers and in ours."""

    number: int
    in_print: dict[str, int]
    verdicts: dict[str, int]


@dataclass(frozen=True)
class Row:
    """A system, with its cells (rows of COMPARISON) by dataset and metric, and the table that they are from."""

    name: str
    table: str
    cells: dict[tuple[str, str], dict[str, Any]]


@dataclass(frozen=True)
class Headline:
    """The main rows of tables 1 and 2: the student, the best other systems, and the student's ablations."""

    datasets: list[str]
    student: list[Row]
    others: list[Row]
    ablations: list[Row]
    seeds: int
    """The most seeds of a trained row; 0 if none is trained."""
    rows: int
    """Number of rows with a value."""


@dataclass(frozen=True)
class Score:
    """A mean over seeds, with the lowest and highest bound of their intervals, if they have any."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class LabsRead:
    """Micro F1 of one model over the phenotypes that only the labs show, on one dataset: means over the seeds."""

    dataset: str
    model: str
    own: Score
    others: Score
    """With the series of other stays."""
    chance: Score


@dataclass(frozen=True)
class Dataset:
    """Samples, which are stays, in all and in each split; None is hidden because it describes few patients."""

    name: str
    stays: int | None
    splits: dict[str, int | None]

    @property
    def hides_few(self) -> bool:
        """Whether a number is hidden."""
        return None in (self.stays, *self.splits.values())


def claims(table: pa.Table) -> Claims:
    """Count the answers in CLAIMS."""
    rows = table.to_pylist()
    in_print = {answer: sum(row["in_print"] == answer for row in rows) for answer in IN_PRINT}
    return Claims(len(rows), in_print, {answer: sum(row["verdict"] == answer for row in rows) for answer in VERDICTS})


def headline(table1: pa.Table, table2: pa.Table) -> Headline:
    """Select the main rows of tables 1 and 2 (COMPARISON).

    The student is what both tables have; the other rows of table 2 are its ablations. Of the other rows of table 1 that
    have values, it takes those with the highest mean micro F1: three trained ones and one that is asked.
    """
    first, second = _rows(table1, "table1"), _rows(table2, "table2")
    student = [row for row in first.values() if row.name in second]
    valued = [row for row in first.values() if row not in student and _mean(row) is not None]
    others: list[Row] = []
    for asked, number in ((False, BEST_TRAINED), (True, BEST_ASKED)):
        same = [row for row in valued if any(cell["asked"] for cell in row.cells.values()) == asked]
        others += sorted(same, key=lambda row: -(_mean(row) or 0))[:number]
    cells = table1.to_pylist() + table2.to_pylist()
    return Headline(
        datasets=list(dict.fromkeys(cell["dataset"] for cell in cells if cell["ours_mean"] is not None)),
        student=student,
        others=others,
        ablations=[row for row in second.values() if row.name not in first],
        seeds=max((cell["n_seeds"] for cell in cells if not cell["asked"]), default=0),
        rows=len({cell["model"] for cell in cells if cell["ours_mean"] is not None}),
    )


def _rows(table: pa.Table, name: str) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for cell in table.to_pylist():
        if cell["metric"] in METRICS:
            rows.setdefault(cell["model"], Row(cell["model"], name, {})).cells[cell["dataset"], cell["metric"]] = cell
    return rows


def _mean(row: Row) -> float | None:
    """Return the mean micro F1 over the datasets; None without any."""
    values = [cell["ours_mean"] for (_, metric), cell in row.cells.items() if metric == "micro_f1"]
    present = [value for value in values if value is not None]
    return statistics.fmean(present) if present else None


def labs_read(planted: pa.Table) -> list[LabsRead]:
    """Return what the first model of each dataset in PLANTED finds through the labs."""
    rows = [row for row in planted.to_pylist() if row["group"] == LABS]
    found = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == dataset]
        model = own[0]["model"]
        scores = (_f1(own, model, condition) for condition in (AS_IS, SERIES, LABELS))
        found.append(LabsRead(dataset, model, *scores))
    return found


def _f1(rows: Iterable[dict[str, Any]], model: str, condition: str) -> Score:
    seeds = [row for row in rows if (row["model"], row["condition"]) == (model, condition)]
    lows, highs = ([row[bound] for row in seeds if row[bound] is not None] for bound in ("low", "high"))
    return Score(statistics.fmean(row["f1"] for row in seeds), min(lows, default=None), max(highs, default=None))


def dataset(name: str, attrition: pa.Table) -> Dataset:
    """Return the number of samples, in all and in each split, from the last steps of ATTRITION."""
    rows = attrition.to_pylist()
    left = [row["stays"] for row in rows if row["table"] == "samples"]
    splits = {row["step"].removesuffix(" split"): row["stays"] for row in rows if row["table"] == "sample splits"}
    return Dataset(name, left[-1] if left else None, splits)
