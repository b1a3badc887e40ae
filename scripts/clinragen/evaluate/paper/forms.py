r"""Tables as Markdown and LaTeX, for papers and pull requests, and as rows of a page.

LaTeX needs no package: each section is a `table` with a plain `tabular`, to be included with `\input`.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tabulate import LATEX_ESCAPE_RULES, tabulate

MARKDOWN = re.compile(r"[\\`*_|\[\]~#]")
# At the start of a row LaTeX would take these for the argument, or the star, of the row end before it.
LATEX = {**LATEX_ESCAPE_RULES, "[": "{[}", "*": "{*}"}


@dataclass(frozen=True)
class Section:
    """One part of a table, such as a dataset, with cells as text."""

    title: str
    columns: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Shown:
    """A table as text: title, sections and notes."""

    title: str
    sections: list[Section]
    notes: list[str] = field(default_factory=list)


def to_markdown(shown: Shown) -> str:
    """Return the table in GitHub-flavoured Markdown, all text escaped."""
    parts = [f"# {_markdown(shown.title)}", *(_markdown(note) for note in shown.notes)]
    for section in shown.sections:
        parts.append(f"## {_markdown(section.title)}")
        parts.append(_tabulated(section, _markdown, "github"))
    return "\n\n".join(parts) + "\n"


def to_latex(shown: Shown) -> str:
    """Return one LaTeX table per section, all text escaped; the caption of the first one has the notes."""
    parts = []
    for number, section in enumerate(shown.sections):
        notes = shown.notes if number == 0 else []
        # LaTeX numbers the tables of a document itself.
        title = re.sub(r"^Table (\d+): ", r"Table \1 of the paper: ", shown.title)
        caption = " ".join(_latex(text) for text in [f"{title} ({section.title}).", *notes])
        label = re.sub(r"[^a-z0-9]+", "-", f"{shown.title.split(':')[0]} {section.title}".lower()).strip("-")
        parts += [
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{label}}}",
            _tabulated(section, _latex, "latex_raw"),
            r"\end{table}",
            "",
        ]
    return "\n".join(parts)


def _tabulated(section: Section, escape: Callable[[str], str], form: str) -> str:
    rows = [[escape(cell) for cell in row] for row in section.rows]
    columns = [escape(column) for column in section.columns]
    return tabulate(rows, columns, tablefmt=form, disable_numparse=True)


def _markdown(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return MARKDOWN.sub(r"\\\g<0>", _line(text))


def _latex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in _line(text))


def _line(text: str) -> str:
    return " ".join(text.split())


def number(value: float | None, form: str = "{:.4f}", none: str = "–") -> str:
    """Return a number as text; `none` for None."""
    return none if value is None else form.format(value)


def interval(low: float | None, high: float | None) -> str:
    """Return the bounds in brackets, or nothing without them."""
    return "" if low is None or high is None else f"[{low:.4f}, {high:.4f}]"


def distinct(values: Iterable[str | None]) -> list[str]:
    """Return the values without repetitions and without empty ones, in their order."""
    return list(dict.fromkeys(value for value in values if value))


def page_rows(
    cells: Iterable[dict[str, Any]], table: str, column: Callable[[dict[str, Any]], str]
) -> dict[str, list[dict[str, Any]]]:
    """Group the rows of a CSV file by dataset and then by model, for a page with a line per model.

    A line has its `cells` by `column`, its `place` in the lineage, and the other columns of its first cell.
    """
    datasets: dict[str, dict[str, dict[str, Any]]] = {}
    for cell in cells:
        dataset, model = cell["dataset"], cell["model"]
        new = cell | {"place": f"tables/{table}.csv/{dataset}/{model}", "cells": {}}
        datasets.setdefault(dataset, {}).setdefault(model, new)["cells"][column(cell)] = cell
    return {dataset: list(lines.values()) for dataset, lines in datasets.items()}
