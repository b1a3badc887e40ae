"""Where the values behind the paper's claims are: in its printed tables, and in ours."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from clinragen.evaluate.paper.evidence import Cell, Estimate, Evidence, Runs
from clinragen.schemas.ratings import AS_WRITTEN, CRITERIA

PRINTED_RUNS = 5
"""The paper's results are averaged over five runs."""
ALL = "all"
"""The dataset of what has none."""
OF_TABLE = {1: "table1", 2: "table2", 4: "table4", 6: "table6"}
PEOPLE = "people"
OVERALL = "overall"
"""The mean over the five criteria."""
NOT_PRINTED = "the paper does not print it"


def printed_evidence(tables: Mapping[int, Path], sizes: Path, times: Path, stated: Mapping[Cell, float]) -> Evidence:
    """The paper's values: resources/paper_table*.csv by number, paper_sizes.csv, paper_table3.csv, and its text's.

    Standard deviations are those of five runs, read as percentage points.
    """
    values, runs = dict(stated), {}
    for number, path in tables.items():
        for row in _rows(path):
            cell = Cell(OF_TABLE[number], row["dataset"], row["model"], row["metric"])
            values[cell] = float(row["mean"])
            if row.get("std"):
                runs[cell] = Runs(values[cell], float(row["std"]), PRINTED_RUNS)
    for row in _rows(sizes):
        values[Cell("sizes", ALL, row["model"], "parameters")] = float(row["millions"]) * 1e6
    for row in _rows(times):
        values[Cell("times", ALL, row["stage"], "seconds")] = float(row["seconds"])
    return Evidence(
        values={cell: Estimate.exact(value) for cell, value in values.items()},
        runs=runs,
        reasons={source: NOT_PRINTED for source in ("judge", "people", "agreement", "discussion")},
        stated=frozenset({"judge", "people"}),
    )


class Ours:
    """Collects our values, table by table, into the evidence for the claims."""

    def __init__(self, reasons: Mapping[str, str], remedies: Mapping[str, str]) -> None:
        """`reasons` say of each source why it has nothing, should nothing be added; `remedies`, what makes its rows."""
        self._values: dict[Cell, Estimate] = {}
        self._differences: dict[tuple[Cell, Cell], Estimate] = {}
        self._p_values: dict[tuple[Cell, Cell], float] = {}
        self._runs: dict[Cell, Runs] = {}
        self._reasons, self._remedies = dict(reasons), dict(remedies)

    @property
    def evidence(self) -> Evidence:
        """All that was added; a source with any value has no reason for having none."""
        found = {cell.source for cell in self._values}
        reasons = {source: reason for source, reason in self._reasons.items() if source not in found}
        return Evidence(self._values, self._differences, self._p_values, self._runs, reasons, self._remedies)

    def add_intervals(self, intervals: pa.Table, rows: Mapping[str, Mapping[str, str]]) -> None:
        """Scores (INTERVALS); `rows` has, for each source, the name there of each of its rows."""
        for row in intervals.to_pylist():
            for source, name in _places(row["model"], rows):
                cell = Cell(source, row["dataset"], name, row["metric"])
                self._values[cell] = Estimate(row["value"], row["low"], row["high"])
                if row["std"] is not None:
                    self._runs[cell] = Runs(row["value"], row["std"], row["n_seeds"])

    def add_comparisons(self, comparisons: pa.Table, rows: Mapping[str, Mapping[str, str]]) -> None:
        """Differences of scores with their own intervals, and p-values over the seeds (COMPARISONS)."""
        for row in comparisons.to_pylist():
            for source, name in _places(row["model"], rows):
                for other in (n for s, n in _places(row["other"], rows) if s == source):
                    pair = tuple(Cell(source, row["dataset"], n, row["metric"]) for n in (name, other))
                    self._differences[pair] = Estimate(row["difference"], row["low"], row["high"])
                    if row["p_welch"] is not None:
                        self._p_values[pair] = row["p_welch"]

    def add_texts(self, texts: pa.Table, metrics: Mapping[tuple[str, str], str]) -> None:
        """Scores of texts (TEXT_SCORES); `metrics` names those of table 4, by part and metric."""
        for row in texts.to_pylist():
            metric = metrics.get((row["part"], row["metric"]))
            if metric and None not in (row["value"], row["low"], row["high"]):
                cell = Cell("table4", row["dataset"], row["model"], metric)
                self._values[cell] = Estimate(row["value"], row["low"], row["high"])

    def add_parameters(self, parameters: pa.Table) -> None:
        """Sizes of the trained models (PARAMETERS); they are the same for every dataset and seed."""
        for row in parameters.to_pylist():
            if row["part"] == "total":
                self._values[Cell("sizes", ALL, row["model"], "parameters")] = Estimate.exact(row["parameters"])

    def add_ratings(self, ratings: pa.Table, rater: str | None = None) -> None:
        """Ratings (RATING_SCORES) of people, or of the judge called `rater`; those of controls are none."""
        each: dict[tuple[str, str, str], list[Estimate]] = {}
        for row in ratings.to_pylist():
            if row["rater"] not in (PEOPLE, rater) or row["condition"] != AS_WRITTEN or row["mean"] is None:
                continue
            source = PEOPLE if row["rater"] == PEOPLE else "judge"
            found = Estimate(row["mean"], row["low"], row["high"])
            self._values[Cell(source, row["dataset"], row["system"], row["criterion"])] = found
            each.setdefault((source, row["dataset"], row["system"]), []).append(found)
        for place, estimates in each.items():
            if len(estimates) == len(CRITERIA):
                self._values[Cell(*place, OVERALL)] = Estimate.mean(estimates)

    def add_agreement(self, agreement: pa.Table, raters: Mapping[str, str]) -> None:
        """Agreement over all criteria (AGREEMENT); `raters` names those of the claims by those of the table."""
        for row in agreement.to_pylist():
            name = raters.get(row["raters"])
            if name and row["criterion"] == ALL and None not in (row["value"], row["low"], row["high"]):
                cell = Cell("agreement", row["dataset"], name, row["statistic"])
                self._values[cell] = Estimate(row["value"], row["low"], row["high"])

    def add_discussion(self, discussion: pa.Table) -> None:
        """What answers the questions of the discussion (DISCUSSION), over all cases."""
        for row in discussion.to_pylist():
            if row["group"] == ALL and None not in (row["model"], row["value"], row["low"], row["high"]):
                cell = Cell("discussion", row["dataset"], row["model"], row["measure"])
                self._values[cell] = Estimate(row["value"], row["low"], row["high"])


def _places(model: str, rows: Mapping[str, Mapping[str, str]]) -> Iterable[tuple[str, str]]:
    return ((source, names[model]) for source, names in rows.items() if model in names)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
