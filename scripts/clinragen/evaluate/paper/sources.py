"""Collect the values behind the paper's claims from its printed tables and from ours."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.evaluate.paper.evidence import Cell, Estimate, Evidence, Gap, Runs
from clinragen.evaluate.paper.kinds import cells_of
from clinragen.evaluate.paper.missing import Missing
from clinragen.evaluate.paper.register import Between, Claim
from clinragen.evaluate.paper.similarity import METRICS, RELEASED
from clinragen.evaluate.texts.runs import BOTH as BOTH_PARTS
from clinragen.schemas.discussion import DISCUSSION
from clinragen.schemas.evaluate import PARAMETERS
from clinragen.schemas.paper import TIMES
from clinragen.schemas.ratings import AGREEMENT, AS_WRITTEN, CRITERIA, RATING_SCORES
from clinragen.schemas.schema import Table
from clinragen.schemas.statistics import COMPARISONS, INTERVALS
from clinragen.schemas.texts import TEXT_SCORES

PRINTED_RUNS = 5
"""The paper's results are averaged over five runs."""
ALL = "all"
"""The dataset of values that belong to no dataset."""
TABLES = ("table1", "table2", "table6")
PRINTED = {f"paper_{table}": table for table in (*TABLES, "table4")} | {"paper_sizes": "sizes", "paper_table3": "times"}
"""Source of the values in each file in resources/."""
FILES = {name: {source} for name, source in PRINTED.items()} | {
    "intervals": set(TABLES),
    "comparisons": set(TABLES),
    "texts": {"table4"},
    "parameters": {"sizes"},
    "judge": {"judge"},
    "study": {"people"},
    "table3": {"times"},
    "study_agreement": {"agreement"},
    "discussion": {"discussion"},
}
"""Sources of the values in each file."""
SCHEMAS: dict[str, Table] = {
    "intervals": INTERVALS,
    "comparisons": COMPARISONS,
    "texts": TEXT_SCORES,
    "parameters": PARAMETERS,
    **dict.fromkeys(("judge", "study"), RATING_SCORES),
    "study_agreement": AGREEMENT,
    "table3": TIMES,
    "discussion": DISCUSSION,
}
"""Schemas of our tables that claims read."""
TEXT_METRICS = {metric: name for (name, convention), metric in METRICS.items() if convention == RELEASED}
"""Metrics of table 4 by metric of TEXT_SCORES, in the convention of the released code."""
TRAININGS = ("ClinRaGen - 84M Tuning", "LlaMA - 7B Tuning")
"""Stages of table 3 that claims compare."""
PEOPLE = "people"
OVERALL = "overall"
"""The mean of the five criteria."""
WHOLE = "both"
"""Both datasets together, or the only one that was rated."""
NOT_PRINTED = "the paper does not print it"
REASONS = {
    "judge": Gap("ratings of a judge", "set evaluate.judge.llms"),
    "people": Gap("ratings of people", "set evaluate.study.responses"),
    "agreement": Gap("ratings of people", "set evaluate.study.responses"),
    "table4": Gap("intervals of BLEU and BERTScore", "set evaluate.bertscore, and ask the rows of table 4"),
    "discussion": Gap("a row that answers the question", "tables/discussion.html says which"),
}
"""What a source without values needs."""
OTHER_HARDWARE = Gap("times on the same hardware", "train both on the same machines")
NUMBERS = {"table1": 1, "table2": 2, "times": 3, "table4": 4, "table6": 6, "sizes": 1}
"""The paper's table whose rows a source has."""


def printed_in_text(claims: Iterable[Claim]) -> dict[Cell, float]:
    """Return the values that are in the paper's text but in none of its tables."""
    tests = [claim.test for claim in claims if isinstance(claim.test, Between)]
    return {cell: test.printed for test in tests if test.printed is not None for cell in cells_of(test)}


def printed_evidence(files: Iterable[Path], in_text: Mapping[Cell, float]) -> Evidence:
    """Return the paper's values: resources/paper_table*.csv, paper_sizes.csv, and those in its text.

    Printed standard deviations are over five runs.
    """
    values, runs = dict(in_text), {}
    for path in files:
        source = PRINTED[path.stem]
        for row in _rows(path):
            if source == "sizes":
                values[Cell(source, ALL, row["model"], "parameters")] = float(row["millions"]) * 1e6
            elif source == "times":
                values[Cell(source, ALL, row["stage"], "seconds")] = float(row["seconds"])
            else:
                cell = Cell(source, row["dataset"], row["model"], row["metric"])
                values[cell] = float(row["mean"])
                if row.get("std"):
                    runs[cell] = Runs(values[cell], float(row["std"]), PRINTED_RUNS)
    return Evidence(
        values={cell: Estimate.exact(value) for cell, value in values.items()},
        runs=runs,
        reasons={source: Gap(NOT_PRINTED) for source in ("judge", "people", "agreement", "discussion")},
        stated=frozenset({"judge", "people"}),
    )


def our_evidence(
    files: Sequence[Path], rows: Mapping[str, Mapping[str, str]], missing: Mapping[int, Missing]
) -> Evidence:
    """Return our values in the tables that this run makes.

    `rows` has, for table1, table2 and table6, the name of each row of INTERVALS in that table; `missing` says, by table
    number, how to make a row. The first judge in its table is that of figure 6a.
    """
    tables = {path.stem: SCHEMAS[path.stem].read(path) for path in files}
    judges = tables["judge"]["rater"].to_pylist() if "judge" in tables else []
    ours, judge = Ours(missing), next(iter(judges), None)
    add: dict[str, Callable[[pa.Table], None]] = {
        "intervals": lambda table: ours.add_intervals(table, rows),
        "comparisons": lambda table: ours.add_comparisons(table, rows),
        "texts": ours.add_texts,
        "parameters": ours.add_parameters,
        "table3": ours.add_times,
        "judge": lambda table: ours.add_ratings(table, judge),
        "study": lambda table: ours.add_ratings(table, judge),
        "study_agreement": ours.add_agreement,
        "discussion": ours.add_discussion,
    }
    for name, table in tables.items():
        add[name](table)
    return ours.evidence


def files_behind(claim: Claim, files: Iterable[Path]) -> list[Path]:
    """Return the files, printed and ours, with the values of a claim."""
    sources = {cell.source for cell in cells_of(claim.test)}
    return [path for path in files if sources & FILES[path.stem]]


class Ours:
    """Collect our values table by table."""

    def __init__(self, missing: Mapping[int, Missing]) -> None:
        """Start without values; `missing` says, by table number, how to make a row."""
        self._makes = {source: missing[number].how for source, number in NUMBERS.items() if number in missing}
        self._reasons = dict(REASONS)
        self._values: dict[Cell, Estimate] = {}
        self._differences: dict[tuple[Cell, Cell], Estimate] = {}
        self._p_values: dict[tuple[Cell, Cell], float] = {}
        self._runs: dict[Cell, Runs] = {}
        self._gaps: dict[Cell, Gap] = {}

    @property
    def evidence(self) -> Evidence:
        """The evidence so far, with the reasons of the sources that have no values."""
        sources = {cell.source for cell in (*self._values, *self._gaps)}
        reasons = {source: reason for source, reason in self._reasons.items() if source not in sources}
        return Evidence(self._values, self._differences, self._p_values, self._runs, self._gaps, reasons, self._makes)

    def add_intervals(self, intervals: pa.Table, rows: Mapping[str, Mapping[str, str]]) -> None:
        """Add scores (INTERVALS); `rows` has the names of their rows in each source."""
        for row in intervals.to_pylist():
            for source, name in _places(row["model"], rows):
                cell = Cell(source, row["dataset"], name, row["metric"])
                self._values[cell] = Estimate(row["value"], row["low"], row["high"])
                if row["std"] is not None:
                    self._runs[cell] = Runs(row["value"], row["std"], row["n_seeds"])

    def add_comparisons(self, comparisons: pa.Table, rows: Mapping[str, Mapping[str, str]]) -> None:
        """Add differences of scores with their intervals, and p values over the seeds (COMPARISONS)."""
        for row in comparisons.to_pylist():
            for source, name in _places(row["model"], rows):
                for other in (n for s, n in _places(row["other"], rows) if s == source):
                    pair = (
                        Cell(source, row["dataset"], name, row["metric"]),
                        Cell(source, row["dataset"], other, row["metric"]),
                    )
                    self._differences[pair] = Estimate(row["difference"], row["low"], row["high"])
                    if row["p_welch"] is not None:
                        self._p_values[pair] = row["p_welch"]

    def add_texts(self, texts: pa.Table) -> None:
        """Add scores over both rationales (TEXT_SCORES)."""
        for row in texts.to_pylist():
            metric = TEXT_METRICS.get(row["metric"]) if row["part"] == BOTH_PARTS else None
            if metric and None not in (row["value"], row["low"], row["high"]):
                cell = Cell("table4", row["dataset"], row["model"], metric)
                self._values[cell] = Estimate(row["value"], row["low"], row["high"])

    def add_parameters(self, parameters: pa.Table) -> None:
        """Add sizes of the trained models (PARAMETERS), which are equal for all datasets and seeds."""
        for row in parameters.to_pylist():
            if row["part"] == "total":
                self._values[Cell("sizes", ALL, row["model"], "parameters")] = Estimate.exact(row["parameters"])

    def add_times(self, times: pa.Table) -> None:
        """Add times of training over all datasets (TIMES), if both were measured on the same hardware."""
        rows = {r["stage"]: r for r in times.to_pylist() if r["dataset"] == ALL and r["wall_seconds"] is not None}
        trained = [rows[stage]["hardware"] for stage in TRAININGS if stage in rows]
        if len(set(trained)) > 1:
            self._reasons["times"] = OTHER_HARDWARE
            return
        for stage in TRAININGS:
            if stage in rows:
                self._values[Cell("times", ALL, stage, "seconds")] = Estimate.exact(rows[stage]["wall_seconds"])

    def add_ratings(self, ratings: pa.Table, judge: str | None = None) -> None:
        """Add ratings (RATING_SCORES) of people or of this judge, without the controls."""
        each: dict[tuple[str, str, str], list[Estimate]] = {}
        for row in _of_whole(ratings):
            if row["rater"] not in (PEOPLE, judge) or row["condition"] != AS_WRITTEN or row["mean"] is None:
                continue
            source = PEOPLE if row["rater"] == PEOPLE else "judge"
            estimate = Estimate(row["mean"], row["low"], row["high"])
            self._values[Cell(source, WHOLE, row["system"], row["criterion"])] = estimate
            each.setdefault((source, WHOLE, row["system"]), []).append(estimate)
        for system, estimates in each.items():
            if len(estimates) == len(CRITERIA):
                self._values[Cell(*system, OVERALL)] = Estimate.mean(estimates)

    def add_agreement(self, agreement: pa.Table) -> None:
        """Add the agreement of people over all criteria (AGREEMENT)."""
        for row in _of_whole(agreement):
            if row["raters"] == PEOPLE and row["criterion"] == ALL:
                self._add(Cell("agreement", WHOLE, PEOPLE, row["statistic"]), row)

    def add_discussion(self, discussion: pa.Table) -> None:
        """Add the answers to the questions of the discussion (DISCUSSION) over all cases."""
        for row in discussion.to_pylist():
            if row["group"] == ALL:
                self._add(Cell("discussion", row["dataset"], row["model"], row["measure"]), row)

    def _add(self, cell: Cell, row: Mapping[str, Any]) -> None:
        """Add a value with its interval, or the reason why it has none."""
        if None not in (row["value"], row["low"], row["high"]):
            self._values[cell] = Estimate(row["value"], row["low"], row["high"])
        elif row.get("missing"):
            self._gaps[cell] = Gap(f"{cell.metric} of {cell.row}", row["missing"])
        elif row.get("n") == 0:
            self._gaps[cell] = Gap(f"{cell.metric} of {cell.row} (a share of nothing)")
        elif row["value"] is None:
            self._gaps[cell] = Gap(f"{cell.metric} of {cell.row} (hidden: fewer than 11 patients)")
        else:
            self._gaps[cell] = Gap(f"an interval of {cell.metric}")


def _places(model: str, rows: Mapping[str, Mapping[str, str]]) -> Iterable[tuple[str, str]]:
    return ((source, names[model]) for source, names in rows.items() if model in names)


def _of_whole(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows about both datasets together, or about the only one."""
    rows = table.to_pylist()
    datasets = {row["dataset"] for row in rows}
    whole = WHOLE if WHOLE in datasets or len(datasets) > 1 else next(iter(datasets), WHOLE)
    return [row for row in rows if row["dataset"] == whole]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
