r"""Tables as Markdown and LaTeX, for papers and pull requests.

LaTeX needs no package: each section is a `table` with a plain `tabular`, to be read by `\input`.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tabulate import LATEX_ESCAPE_RULES, tabulate

MARKDOWN = re.compile(r"[\\`*_|\[\]~#]")
# At the beginning of a row LaTeX would read these as the argument, or the star, of the end of the row before.
LATEX = {**LATEX_ESCAPE_RULES, "[": "{[}", "*": "{*}"}


@dataclass(frozen=True)
class Section:
    """One part of a table, such as a dataset: cells are text, and empty ones stay empty."""

    title: str
    columns: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Shown:
    """A table as it is shown: its title, what to know about it, and its sections."""

    title: str
    sections: list[Section]
    notes: list[str] = field(default_factory=list)


def to_markdown(shown: Shown) -> str:
    """Return the table in GitHub's Markdown, all text escaped."""
    parts = [f"# {_markdown(shown.title)}", *(_markdown(note) for note in shown.notes)]
    for section in shown.sections:
        parts.append(f"## {_markdown(section.title)}")
        parts.append(_tabulated(section, _markdown, "github"))
    return "\n\n".join(parts) + "\n"


def to_latex(shown: Shown) -> str:
    """Return a LaTeX table per section, all text escaped; the first one's caption has the notes."""
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
    """Return a number as text; a dash where there is none."""
    return none if value is None else form.format(value)


def interval(low: float | None, high: float | None) -> str:
    """Return the bounds in brackets; empty without them."""
    return "" if low is None or high is None else f"[{low:.4f}, {high:.4f}]"


def distinct(values: Iterable[str | None]) -> list[str]:
    """Return the values that there are, each once, in their order."""
    return list(dict.fromkeys(value for value in values if value))
