"""The page of figures: pictures and values, ours next to the paper's, and what is missing."""

import re
from pathlib import Path

import pytest
from pages import templates
from unit.test_evaluate_paper_figures import efficiency, ratings

from clinragen.evaluate.paper.figures import draw_efficiency, draw_ratings, written_ratings
from clinragen.evaluate.paper.figures_page import figures_page, sizes
from clinragen.schemas.paper import EFFICIENCY
from clinragen.schemas.ratings import RATING_SCORES

CASES = {"MIMIC-III": "figure7-mimic3.html"}


def figures(directory: Path) -> list[Path]:
    """Draw figures 5 and 6a as their rules do; returns the drawings."""
    EFFICIENCY.write(efficiency(["tiny"]), directory / "figure5.csv")
    draw_efficiency(efficiency(["tiny"]), directory / "figure5.svg", directory / "figure5.png")
    kept = written_ratings(ratings())
    RATING_SCORES.write(kept, directory / "figure6a.csv")
    draw_ratings(kept, "Figure 6a: x", ["tiny"], directory / "figure6a.svg", directory / "figure6a.png")
    return [directory / "figure5.svg", directory / "figure6a.svg"]


def page(drawings: list[Path], cases: dict[str, str] = CASES) -> str:
    tables = [path.with_suffix(".csv") for path in drawings]
    return figures_page(drawings, tables, cases, ["tiny model"], templates("figures"))


@pytest.fixture(scope="module")
def drawings(tmp_path_factory) -> list[Path]:
    return figures(tmp_path_factory.mktemp("figures"))


def test_our_value_is_next_to_the_papers_and_a_row_without_a_run_is_empty():
    table = sizes(efficiency())
    rows = {row["model"]: row for row in table["MIMIC-III"]}
    assert (rows["ClinRaGen"]["ours"]["micro_f1"], rows["ClinRaGen"]["paper"]["micro_f1"]) == (0.65, 0.641)
    assert rows["FROZEN"]["ours"] is None and rows["FROZEN"]["paper"]["parameters"] == 265_000_000
    assert list(table) == ["MIMIC-III", "MIMIC-IV"] and len(rows) == len(table["MIMIC-IV"]) == 11


def test_the_page_has_each_picture_with_its_values_and_files(drawings):
    text = page(drawings)
    assert text.count('src="data:image/svg+xml;base64,') == 2
    assert 'href="../audit/lineage.html#figures/figure5.csv">0.6500</a>' in text and "0.5500 to 0.7500" in text
    assert '<td data-label="paper: micro F1">0.6410</td>' in text
    assert "&lt;b&gt;x&lt;/b&gt;" in text and "<b>x" not in text
    assert 'href="../audit/lineage.html#figures/figure6a.csv">4.50</a> <small>4.30 to 4.70</small>' in text
    for file in ("figure5.csv", "figure5.svg", "figure5.png", "figure6a.svg", "figure7-mimic3.html"):
        assert f'href="{file}"' in text, file


def test_figures_that_this_tree_lacks_and_diagrams_are_named(drawings):
    text = re.sub(r"\s+", " ", page(drawings[:1], {}))
    assert "Figure 6a (ratings by language models); Figure 6b (ratings by people); Figure 7 (cases)." in text
    assert "Figures 1 to 4 of the paper are diagrams" in text and 'id="figure-7"' not in text


def test_a_tree_with_cases_alone_has_a_page_too():
    text = page([])
    assert "figure7-mimic3.html" in text and "Figure 5 (size and score)" in text
