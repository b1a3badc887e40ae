"""The picture of one of the paper's tables of scores, and parts that the figures share."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib
import pyarrow as pa

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

OURS, PAPER = "#0b6e99", "#b4540a"
SHOWN = {"micro_f1": "micro F1", "macro_f1": "macro F1"}


def draw_comparison(table: pa.Table, number: int, path: Path) -> None:
    """Draw the F1 scores of every model as PNG: ours with the 95 % interval, and the paper's."""
    cells = [c for c in table.to_pylist() if c["metric"] in SHOWN]
    datasets = list(dict.fromkeys(c["dataset"] for c in cells))
    models = list(dict.fromkeys(c["model"] for c in cells))
    figure, axes = pyplot.subplots(
        len(SHOWN),
        len(datasets),
        figsize=(5.2 * len(datasets), 1.2 + 0.55 * len(models) * len(SHOWN)),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for row, (metric, title) in enumerate(SHOWN.items()):
        for column, dataset in enumerate(datasets):
            axis = axes[row, column]
            axis.set_title(f"{dataset}, {title}", fontsize=10)
            axis.grid(axis="x", color="#d8dee4", linewidth=0.6)
            axis.set_axisbelow(True)
            axis.set_xlim(-0.02, 1)  # marks of scores near 0 are drawn whole
            axis.set_yticks(range(len(models)), models)
            for cell in cells:
                if cell["metric"] == metric and cell["dataset"] == dataset:
                    _mark(axis, cell, models.index(cell["model"]))
    axes[0, 0].invert_yaxis()
    for axis in axes[-1]:
        axis.set_xlabel("score")
    marks = legend_marks(axes.flat)
    figure.legend(marks.values(), marks.keys(), loc="outside upper right", ncols=2, frameon=False)
    title = with_warning(f"Table {number}, ours with 95 % intervals", any(c["stand_ins"] for c in cells))
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    figure.savefig(path, format="png", dpi=130, metadata={"Software": None})
    pyplot.close(figure)


def _mark(axis: Axes, cell: dict[str, Any], line: int) -> None:
    paper, ours = cell["paper_mean"], cell["ours_mean"]
    if paper is not None:
        axis.plot(paper, line - 0.14, "D", color=PAPER, markersize=5, label="paper")
    if ours is not None:
        bars = error_bars(ours, cell["low"], cell["high"])
        axis.errorbar(ours, line + 0.14, xerr=bars, fmt="o", color=OURS, capsize=3, label="ours")


def error_bars(value: float, low: float | None, high: float | None) -> list[list[float]] | None:
    """Return how far an interval reaches below and above a value, as matplotlib expects it; None without bounds."""
    if low is None or high is None:
        return None
    # The interval is over resampled patients, so the value may be outside.
    return [[max(0.0, value - low)], [max(0.0, high - value)]]


def legend_marks(axes: Iterable[Axes]) -> dict[str, Artist]:
    """Return each label of the axes once, with its mark."""
    return {label: mark for axis in axes for mark, label in zip(*axis.get_legend_handles_labels(), strict=True)}


def with_warning(title: str, stand_ins: bool) -> str:
    """Return a title that warns of values made with stand-ins."""
    return title + "\nMade with stand-ins, not comparable with the paper." * stand_ins


def embedded_png(figure: Figure, dpi: int) -> bytes:
    """Return a finished figure as a transparent PNG for a page, and close it."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi, transparent=True, metadata={"Software": None})
    pyplot.close(figure)
    return drawn.getvalue()
