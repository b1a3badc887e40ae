"""Pictures of the data card, as PNG without date or version: the same numbers give the same bytes."""

import io
import textwrap
from typing import Any

import matplotlib
import numpy as np

from clinragen.benchmark.distributions import Bars

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import RcKeyType

OURS, PUBLISHED, GRID = "#0b6e99", "#b4540a", "#d8dee4"
STYLE: dict[RcKeyType, Any] = {
    "font.size": 9,
    "text.color": "#1b1f24",
    "axes.edgecolor": "#8c959f",
    "axes.labelcolor": "#1b1f24",
}
# Bars lower than this fraction of the highest one do not stretch the axis.
NOTICEABLE = 0.002


def _png(figure: Figure) -> bytes:
    data = io.BytesIO()
    # Transparent, so that the page can show it on a dark ground too.
    figure.savefig(data, format="png", dpi=160, transparent=True, metadata={"Software": None})
    pyplot.close(figure)
    return data.getvalue()


def _plain(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color=GRID, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(length=3)


def draw_bars(bars: Bars, levels: bool = False) -> bytes | None:
    """Draw a histogram, with `levels` a bar per score; return a PNG, or None if no bar may be drawn."""
    drawn = np.flatnonzero(bars.shares > NOTICEABLE * bars.shares.max(initial=0))
    if not drawn.size:
        return None
    first, last = int(drawn[0]), int(drawn[-1]) + 1
    edges, shares = bars.edges[first : last + 1], bars.shares[first:last]
    with pyplot.rc_context(STYLE):
        figure, axis = pyplot.subplots(figsize=(2.9, 1.75), layout="constrained")
        _plain(axis)
        axis.grid(visible=False, axis="x")
        if levels:
            axis.bar(edges[:-1] + 0.5, shares, width=0.7, color=OURS)
            axis.set_xlim(bars.edges[0], bars.edges[-1])
            axis.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        else:
            axis.stairs(shares, edges, fill=True, color=OURS)
            axis.set_xlim(edges[0], edges[-1])
            axis.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
        axis.set_ylim(bottom=0)
        axis.yaxis.set_major_locator(MaxNLocator(nbins=3, steps=[1, 2, 5, 10]))
        axis.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        return _png(figure)


def draw_prevalence(rows: list[dict]) -> bytes:
    """Draw the share of stays with each phenotype (rows of PREVALENCE), here and in the published benchmark."""
    ordered = sorted(rows, key=lambda row: row["benchmark_train"])
    positions = np.arange(len(ordered))
    with pyplot.rc_context(STYLE):
        figure, axis = pyplot.subplots(figsize=(4.5, 0.5 + 0.33 * len(ordered)), layout="constrained")
        _plain(axis)
        published = [row["benchmark_train"] for row in ordered]
        for position, row in zip(positions, ordered, strict=True):
            if row["share"] is not None:
                axis.plot([row["benchmark_train"], row["share"]], [position] * 2, color=GRID, linewidth=2.5, zorder=1)
        axis.plot(published, positions, "D", color=PUBLISHED, markersize=5, fillstyle="none", label="published (train)")
        shares = zip(positions, (row["share"] for row in ordered), strict=True)
        seen = [(share, position) for position, share in shares if share is not None]
        axis.plot([s for s, _ in seen], [p for _, p in seen], "o", color=OURS, markersize=5.5, label="this data")
        axis.set_yticks(positions, [textwrap.fill(row["phenotype"].split(" (")[0], 34) for row in ordered], fontsize=8)
        axis.set_ylim(-0.7, len(ordered) - 0.3)
        axis.set_xlim(left=0)
        axis.xaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        axis.legend(loc="lower right", frameon=False, fontsize=8)
        return _png(figure)
