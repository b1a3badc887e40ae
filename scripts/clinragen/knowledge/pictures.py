"""The convergence of the key terms as a picture, without date or version: the same numbers give the same bytes."""

import textwrap
from pathlib import Path

import matplotlib
import pyarrow as pa

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

INDEX, NEW, GRID, TEXT = "#0b6e99", "#b4540a", "#d8dee4", "#1b1f24"
COLUMNS = 5


def draw_convergence(table: pa.Table, bound: float, stand_ins: list[str], path: Path) -> None:
    """Draw, per phenotype and documents seen, the Jaccard index of successive rounds and the share of new terms."""
    rows = table.to_pylist()
    phenotypes = list(dict.fromkeys(row["phenotype"] for row in rows))
    lines, most = -(-len(phenotypes) // COLUMNS), max(row["documents"] for row in rows)
    figure, axes = pyplot.subplots(
        lines,
        COLUMNS,
        figsize=(2.3 * COLUMNS, 1.75 * lines + 0.7),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, phenotype in zip(axes.flat, phenotypes, strict=False):
        _draw(axis, [row for row in rows if row["phenotype"] == phenotype], bound, most)
        axis.set_title(textwrap.fill(phenotype.split(" (")[0], 30), fontsize=7.5, color=TEXT)
    for axis in axes.flat[len(phenotypes) :]:
        axis.set_visible(False)
    for number in range(COLUMNS):
        shown = [axis for axis in axes[:, number] if axis.get_visible()]
        if shown:
            shown[-1].tick_params(labelbottom=True)
            shown[-1].set_xlabel("documents", fontsize=8)
    stable = sum(row["stable"] for row in rows)
    warning = f" Made with stand-ins ({', '.join(stand_ins)}), not comparable." if stand_ins else ""
    others = "; the others ran out of documents" if stable < len(phenotypes) else ""
    figure.suptitle(
        f"Key terms: stable in {stable} of {len(phenotypes)} phenotypes{others}.{warning}",
        fontsize=9.5,
        x=0.01,
        ha="left",
    )
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8)
    figure.savefig(path, format="png", dpi=130, metadata={"Software": None})
    pyplot.close(figure)


def _draw(axis: Axes, rounds: list[dict], bound: float, most: int) -> None:
    documents = [row["documents"] for row in rounds]
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color=GRID, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.set_ylim(-0.04, 1.06)
    axis.set_xlim(0, 1.04 * most)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axis.tick_params(labelsize=7, length=2)
    new = [row["new"] / row["terms"] if row["terms"] else 0 for row in rounds]
    index = [(row["documents"], row["jaccard"]) for row in rounds if row["jaccard"] is not None]
    axis.axhline(bound, color=INDEX, linewidth=0.8, linestyle=":", label=f"bound of the index ({bound:g})")
    axis.plot(documents, new, "s--", color=NEW, markersize=3, linewidth=1, label="new terms, share of all so far")
    axis.plot(
        [d for d, _ in index],
        [value for _, value in index],
        "o-",
        color=INDEX,
        markersize=3,
        linewidth=1.3,
        label="Jaccard index with the round before",
    )
    if rounds[-1]["stable"]:
        axis.axvline(documents[-1], color=TEXT, linewidth=0.8)
        late = documents[-1] > most / 2
        axis.annotate(
            "stable",
            (documents[-1], 0.5),
            xytext=(-3 if late else 3, 0),
            textcoords="offset points",
            ha="right" if late else "left",
            fontsize=7,
        )
