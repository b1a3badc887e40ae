"""The paper's Figures 5 and 6, each drawn from its table, as SVG and PNG with reproducible bytes."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import matplotlib
import pyarrow as pa

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clinragen.evaluate.judge.rated import BOTH
from clinragen.evaluate.paper.comparison import PaperCell
from clinragen.evaluate.paper.forms import distinct
from clinragen.evaluate.paper.pictures import OURS, PAPER, error_bars, legend_marks, with_warning
from clinragen.evaluate.study.scores import PEOPLE
from clinragen.schemas.paper import EFFICIENCY
from clinragen.schemas.ratings import AS_WRITTEN, CRITERIA, RATING_SCORES, TEACHER

METRIC, TOTAL = "micro_f1", "total"
RATED_COLUMNS = 2  # panels of ratings side by side
OURS_NAME, PAPER_NAME = "ours", "paper"
SYSTEMS = (TEACHER, "Mistral", "LLaMA2", "LLaMA3", "ClinRaGen")
# By system, in this order in every panel. Hatches distinguish the systems also for colour-blind readers.
COLOURS = ("#4c5866", "#0b6e99", "#b4540a", "#7a8f2a", "#8d4fa3", "#c0392b")
MARKERS = ("o", "s", "^", "v", "D", "P", "X", "<", ">", "*", "p", "h", "d")
HATCHES = ("", "//", "..", "\\\\", "xx", "--")
STYLE: dict[Any, Any] = {  # matplotlib types its keys as literals
    "svg.hashsalt": "clinragen",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
}


def efficiency_table(
    parameters: pa.Table,
    intervals: pa.Table,
    sizes: dict[str, int],
    paper: list[PaperCell],
    templates: Collection[str],
    stand_ins: list[str],
) -> pa.Table:
    """Return parameters and micro F1 of every row of table 1 (EFFICIENCY): the paper's, and ours if there is a run.

    `parameters` is PARAMETERS, `intervals` INTERVALS. `sizes` has the parameters that the paper prints, by row;
    they also serve for LLMs that are asked, whose parameters the workflow cannot count. Rows of `templates` are asked
    too, but no LLM answers: they have no size.
    """
    rows = []
    counts = {(r["dataset"], r["model"]): r["parameters"] for r in parameters.to_pylist() if r["part"] == TOTAL}
    scores = {(r["dataset"], r["model"]): r for r in intervals.to_pylist() if r["metric"] == METRIC}
    for cell in paper:
        key = (cell.dataset, cell.model)
        if cell.metric != METRIC or cell.model not in sizes:
            continue
        own = {"dataset": cell.dataset, "model": cell.model}
        printed = {"source": PAPER_NAME, "parameters": sizes[cell.model], "micro_f1": cell.mean}
        rows.append(own | printed | {"low": None, "high": None, "stand_ins": None})
        if score := scores.get(key):
            size = None if cell.model in templates else counts.get(key, sizes[cell.model])
            ours = {"source": OURS_NAME, "parameters": size}
            ours |= {"micro_f1": round(score["value"], 4)} | {n: round(score[n], 4) for n in ("low", "high")}
            rows.append(own | ours | {"stand_ins": "; ".join(stand_ins) or None})
    return pa.Table.from_pylist(rows, schema=EFFICIENCY.schema)


def draw_efficiency(table: pa.Table, svg: Path, png: Path) -> None:
    """Draw parameters against micro F1 (EFFICIENCY), a panel per dataset; ours filled and with its 95 % interval."""
    rows = [row for row in table.to_pylist() if row["parameters"] is not None]
    datasets = distinct(r["dataset"] for r in rows)
    marks = {model: MARKERS[n % len(MARKERS)] for n, model in enumerate(distinct(r["model"] for r in rows))}
    with matplotlib.rc_context(STYLE):
        # One below the other, they also fit on a telephone.
        figure, axes = _panels(len(datasets), 5.2, 3.3, columns=1)
        for axis, dataset in zip(axes, datasets, strict=True):
            axis.set_title(dataset, fontsize=11)
            axis.set_xscale("log")
            axis.grid(color="#d8dee4", linewidth=0.6)
            axis.set_axisbelow(True)
            for row in (r for r in rows if r["dataset"] == dataset):
                _point(axis, row, marks[row["model"]])
            axis.margins(x=0.1)
            axis.set_ylim(bottom=-0.03)  # marks of scores near 0 are drawn whole
            axis.set_ylabel("micro F1")
        axes[-1].set_xlabel("number of parameters (logarithmic)")
        # The legend explains the colours first, then the shapes.
        legend = [(OURS_NAME, "s", OURS, OURS), (PAPER_NAME, "s", PAPER, "none")]
        legend += [(model, mark, "#4c5866", "none") for model, mark in marks.items()]
        for label, mark, edge, face in legend:
            axes[0].plot([], [], mark, linestyle="none", label=label, color=edge, markerfacecolor=face)
        title = "Figure 5: number of parameters and micro F1\non the test split (ours with 95 % intervals)"
        _finish(figure, axes, title, any(row["stand_ins"] for row in rows), svg, png, columns=3)


def _point(axis: Axes, row: dict[str, Any], mark: str) -> None:
    x, y = row["parameters"], row["micro_f1"]
    if row["source"] == PAPER_NAME:
        axis.plot(x, y, mark, color=PAPER, markerfacecolor="none", markersize=7, linestyle="none")
        return
    bars = error_bars(y, row["low"], row["high"])
    axis.errorbar(x, y, yerr=bars, fmt=mark, color=OURS, capsize=3, markersize=7, linestyle="none")


def written_ratings(ratings: pa.Table) -> pa.Table:
    """Return the ratings of rationales as written, without the controls (RATING_SCORES)."""
    return ratings.filter(pa.compute.equal(ratings["condition"], AS_WRITTEN)).cast(RATING_SCORES.schema)


def draw_ratings(table: pa.Table, title: str, stand_ins: list[str], svg: Path, png: Path) -> None:
    """Draw mean ratings (RATING_SCORES) as bars with 95 % intervals; a panel per rater and dataset."""
    rows = table.to_pylist()
    panels = list(dict.fromkeys((r["dataset"], r["rater"]) for r in rows))
    names = distinct(r["system"] for r in rows)
    systems = sorted(names, key=lambda name: SYSTEMS.index(name) if name in SYSTEMS else len(SYSTEMS))
    with matplotlib.rc_context(STYLE):
        figure, axes = _panels(len(panels), 6.4, 3.8, columns=RATED_COLUMNS)
        for column, (axis, (dataset, rater)) in enumerate(zip(axes, panels, strict=bool(panels))):  # no rows: one panel
            axis.set_title(panel_title(dataset, rater), fontsize=11)
            axis.set_ylim(1, 5.15)  # bars and intervals that end at 5 are not cut
            axis.set_yticks(range(1, 6))
            axis.grid(axis="y", color="#d8dee4", linewidth=0.6)
            axis.set_axisbelow(True)
            cells = {(r["criterion"], r["system"]): r for r in rows if (r["dataset"], r["rater"]) == (dataset, rater)}
            _bars(axis, cells, systems)
            axis.set_xticks(range(len(CRITERIA)), CRITERIA, fontsize=8)
            if column % RATED_COLUMNS == 0:
                axis.set_ylabel("mean rating, 1 to 5")
        _finish(figure, axes, f"{title} (lines: 95 % intervals)", bool(stand_ins), svg, png, columns=5)


def panel_title(dataset: str, rater: str) -> str:
    """Return the title of a panel of ratings: the dataset, and which of several judges rated."""
    name = "both datasets" if dataset == BOTH else dataset
    return name if rater == PEOPLE else f"{name}, {rater}"


def _bars(axis: Axes, cells: dict[tuple[str, str], dict[str, Any]], systems: list[str]) -> None:
    width = 0.8 / max(len(systems), 1)
    for number, system in enumerate(systems):
        ratings = [cells.get((criterion, system), {}) for criterion in CRITERIA]
        positions = [n - 0.4 + width * (number + 0.5) for n in range(len(CRITERIA))]
        kept = [(x, r) for x, r in zip(positions, ratings, strict=True) if r.get("mean") is not None]
        axis.bar(
            [x for x, _ in kept],
            [r["mean"] - 1 for _, r in kept],
            width,
            bottom=1,
            label=system,
            color=COLOURS[number % len(COLOURS)],
            hatch=HATCHES[number % len(HATCHES)],
            edgecolor="white",
            linewidth=0.4,
        )
        for x, row in kept:
            if row["low"] is not None and row["high"] is not None:
                axis.plot([x, x], [row["low"], row["high"]], color="#1b1f24", linewidth=0.9)


def _panels(number: int, width: float, height: float, columns: int) -> tuple[Figure, list[Axes]]:
    """Return a figure with at least one panel, at most `columns` of them side by side."""
    columns = min(max(number, 1), columns)
    lines = -(-max(number, 1) // columns)
    figure, axes = pyplot.subplots(
        lines,
        columns,
        figsize=(width * columns, height * lines + 0.5),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    flat = list(axes.flat)
    for axis in flat[number:]:
        axis.set_visible(False)
    return figure, flat[: max(number, 1)]


def _finish(figure: Figure, axes: list[Axes], title: str, stand_ins: bool, svg: Path, png: Path, columns: int) -> None:
    """Draw a legend in columns and the title, and write both files without a date."""
    if marks := legend_marks(axes):
        layout: dict[str, Any] = {"loc": "outside lower center", "ncols": min(len(marks), columns)}
        figure.legend(marks.values(), marks.keys(), frameon=False, fontsize=9, **layout)
    figure.suptitle(with_warning(title, stand_ins), fontsize=11, x=0.01, ha="left")
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None, "Title": " ".join(title.split())})
    figure.savefig(png, format="png", dpi=150, metadata={"Software": None})
    pyplot.close(figure)
