"""Tables as Markdown and LaTeX: every text comes back, and none breaks the table."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinragen.evaluate.paper.forms import Section, Shown, interval, number, to_latex, to_markdown

CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12)
ROWS = st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=4)
NASTY = r"w/o LAB&KNOW 100 % of $x_1^2$ #1 {a} ~ \n <b> [0.1, 0.2] ClinRaGen* a|b `c`"


def table(rows: list[list[str]]) -> Shown:
    return Shown("Table 9: x", [Section("MIMIC-III", ["a", "b", "c"], rows)], ["a note"])


def unescaped(cell: str) -> str:
    return html.unescape(re.sub(r"\\([\\`*_|\[\]~#])", r"\1", cell)).strip()


@given(ROWS)
def test_markdown_round_trip(rows):
    lines = [line for line in to_markdown(table(rows)).split("\n") if line.startswith("|")]
    found = [[unescaped(cell) for cell in re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]] for line in lines[2:]]
    # A run of backslashes before a bar was cut with it above: cells are compared without trailing ones.
    expected = [[" ".join(cell.split()).rstrip("\\") for cell in row] for row in rows]
    assert [[cell.rstrip("\\") for cell in row] for row in found] == expected


@given(ROWS)
def test_no_text_breaks_a_latex_table(rows):
    text = to_latex(table(rows))
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1
    body = text[text.index(r"\begin{tabular}{lll}") : text.index(r"\end{tabular}")]
    lines = [line for line in body.split("\n") if line.rstrip().endswith(r"\\")]
    assert len(lines) == len(rows) + 1
    for line in lines:
        # Without the escaping commands, nothing may be left that LaTeX reads as a command.
        plain = re.sub(r"\\(?:textbackslash|textasciitilde|\^)\{\}|\\ensuremath\{[<>]\}|\\[&%$#_{}]", "", line)
        assert plain.count("&") == 2, line
        plain = plain.removesuffix(r"\\").rstrip().replace("{[}", "").replace("{*}", "")
        assert not re.search(r"[\\%$#_{}^~\[*]", plain), line
    depth = 0
    for brace in re.findall(r"\\.|[{}]", text):
        depth += {"{": 1, "}": -1}.get(brace, 0)
        assert depth >= 0
    assert depth == 0


def test_known_characters_are_escaped_as_latex_wants_them():
    assert r"w/o LAB\&KNOW 100 \% of \$x\_1\^{}2\$ \#1 \{a\}" in to_latex(table([[NASTY, "", ""]]))


def test_a_row_that_begins_with_a_bracket_or_a_star_is_not_an_argument_of_the_row_before():
    text = to_latex(table([["[0.1, 0.2]", "", ""], ["*", "", ""]]))
    assert "{[}0.1, 0.2]" in text and "{*}" in text


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0.12345, "0.1235"), (0.0, "0.0000")])
def test_numbers_without_a_value_are_a_dash(value, text):
    assert number(value) == text


def test_an_interval_has_both_bounds_or_is_empty():
    assert interval(0.1, 0.2) == "[0.1000, 0.2000]" and interval(None, 0.2) == interval(0.1, None) == ""
