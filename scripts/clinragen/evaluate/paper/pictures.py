"""The picture of one of the paper's tables of scores."""

from pathlib import Path
from typing import Any

import matplotlib
import pyarrow as pa

matplotlib.use("Agg")
from matplotlib import pyplot

OURS, PAPER = "#0b6e99", "#b4540a"
SHOWN = {"micro_f1": "micro F1", "macro_f1": "macro F1"}


def draw_comparison(table: pa.Table, number: int, path: Path) -> None:
    """F1 scores of every model, ours with the 95 % interval and the paper's side by side, as PNG."""
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
                    place = models.index(cell["model"])
                    if cell["paper_mean"] is not None:
                        axis.plot(cell["paper_mean"], place - 0.14, "D", color=PAPER, markersize=5, label="paper")
                    if cell["ours_mean"] is not None:
                        axis.errorbar(
                            cell["ours_mean"],
                            place + 0.14,
                            xerr=_bounds(cell),
                            fmt="o",
                            color=OURS,
                            capsize=3,
                            label="ours",
                        )
    axes[0, 0].invert_yaxis()
    for axis in axes[-1]:
        axis.set_xlabel("score")
    known = {label: mark for a in axes.flat for mark, label in zip(*a.get_legend_handles_labels(), strict=True)}
    figure.legend(known.values(), known.keys(), loc="outside upper right", ncols=2, frameon=False)
    stand_ins = sorted({c["stand_ins"] for c in cells if c["stand_ins"]})
    warning = "\nMade with stand-ins, not comparable with the paper." if stand_ins else ""
    figure.suptitle(f"Table {number}, ours with 95 % intervals{warning}", fontsize=11, x=0.01, ha="left")
    figure.savefig(path, format="png", dpi=130, metadata={"Software": None})
    pyplot.close(figure)


def _bounds(cell: dict[str, Any]) -> list[list[float]] | None:
    """How far the interval reaches below and above the mean; None without one."""
    if cell["low"] is None or cell["high"] is None:
        return None
    # The interval is of resampled patients: its middle is not the mean, which may even be outside.
    return [[max(0.0, cell["ours_mean"] - cell["low"])], [max(0.0, cell["high"] - cell["ours_mean"])]]
