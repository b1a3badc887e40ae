"""The page of a table: ours and the paper's values, links to the lineage, no external content."""

import re

import pyarrow as pa
from pages import comparison, templates

from clinragen.evaluate.paper.forms import to_latex, to_markdown
from clinragen.evaluate.paper.table_page import equal_rows, missing_rows, shown, table_page


def page(stand_ins: str | None = None) -> str:
    return table_page(comparison(stand_ins), 1, templates("scores", "table"))


def test_the_page_has_no_external_content():
    text = page()
    # Only a click leads to another file, which is part of the results.
    files = {"", "../index.html", "../tables/table1.csv", "../audit/lineage.html", "statistics.html"}
    assert set(re.findall(r'href="([^"#]*)', text)) == files
    text = re.sub("<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"https?:|//|src=|@import|url\(", text)
    assert text.startswith("<!DOCTYPE html>") and text.endswith("</html>\n")


def test_the_page_shows_names_as_text():
    text = page("<i>tiny</i> & random")
    assert "&lt;b&gt;R&amp;D&lt;/b&gt;" in text and "<b>R" not in text
    assert "&lt;i&gt;tiny&lt;/i&gt; &amp; random" in text and "<i>" not in text


def test_the_page_shows_ours_and_the_papers():
    text = page()
    link = '<a class="file" href="../audit/lineage.html#tables/table1.csv/MIMIC-III/ClinRaGen">'
    assert (
        f'<td data-label="micro F1">{link}0.5500</a> <span>(0.0707)</span> <small>'
        '<span class="bounds">0.5000 to 0.6000</span> paper 0.6400 '
        '<em class="verdict" data-said="lower">lower</em></small></td>' in text
    )
    assert f'<td data-label="macro F1">{link}0.5000</a> <small>paper 0.6100</small></td>' in text
    assert '<td data-label="seeds">0</td><td data-label="micro F1">– <small>paper 0.6000</small></td>' in text
    assert '<td data-label="seeds">asked once</td>' in text
    assert "#tables/table1.csv/MIMIC-IV/w/o%20LAB%26KNOW" in text


def test_only_the_page_of_table_6_explains_its_names():
    assert "Clinical-COT is phase 1 alone" in table_page(comparison(), 6, templates("scores", "table"))
    assert "Clinical-COT" not in page()
    assert "A stand-in has the name" in table_page(comparison("tiny"), 6, templates("scores", "table"))


def test_every_dataset_has_a_table_of_its_models():
    first, second = re.findall(r"<h2>(.*?)</h2>.*?<tbody>(.*?)</tbody>", page(), re.DOTALL)
    assert first[0] == "MIMIC-III" and first[1].count("<tr>") == 2
    assert second[0] == "MIMIC-IV" and second[1].count("<tr>") == 1


def test_stand_ins_are_a_notice_on_the_page():
    assert "Made with stand-ins:</b> tiny. No value can be compared with the paper's." in page("tiny")
    assert "stand-ins" not in page()


def test_the_same_table_gives_the_same_bytes():
    assert page("tiny") == page("tiny")


def test_the_page_explains_only_what_it_has():
    text = " ".join(page().split())
    assert "our mean over the seeds, its standard deviation in brackets" in text
    assert "the verdict: the two agree" in text and "asked once." in text
    cells = comparison("tiny").to_pylist()[3:]
    alone = pa.Table.from_pylist([cells[0] | {"verdict": "not comparable", "asked": False}], comparison().schema)
    text = " ".join(table_page(alone, 1, templates("scores", "table")).split())
    assert "Each cell shows our value, its 95 % interval over resampled patients, and the paper's value. " in text
    assert "standard deviation" not in text and "verdict" not in text.split("<main")[1] and "asked once" not in text
    missing = table_page(comparison().slice(2, 1), 6, templates("scores", "table"))
    assert "each cell shows the paper's value alone" in missing and "config/table6.yaml" in missing


def test_a_row_leads_to_its_statistics_and_has_an_id():
    text = page()
    assert '<th scope="row" id="mimic-iii-clinragen">' in text
    link = '<a class="file" href="statistics.html#mimic-iv-w-o-lab-know">statistics</a>'
    assert link in text and "#mimic-iii--b-r-d" not in text  # a row without a value
    assert "statistics.html" not in table_page(comparison(), 6, templates("scores", "table"))


def test_rows_of_one_template_are_explained():
    def row(model: str, value: float, stand_ins: str = "a; template LLM", asked: bool = True) -> dict:
        cells = {"micro F1": {"ours_mean": value}}
        return {"model": model, "stand_ins": stand_ins, "asked": asked, "cells": cells}

    same = [row("A", 0.5), row("B", 0.5), row("C", 0.4), row("D", 0.5, asked=False)]
    assert equal_rows(same) == [["A", "B"]] and equal_rows([row("A", 0.5, "tiny"), row("B", 0.5, "tiny")]) == []


def test_missing_rows_are_shown_with_how_to_make_them():
    text = page()
    assert "<dt>&lt;b&gt;R&amp;D&lt;/b&gt; (MIMIC-III)</dt><dd>take &lt;models.x&gt;</dd>" in text
    cells = [
        {"dataset": d, "model": m, "verdict": "missing", "make": f"run {m}"} for d in ("III", "IV") for m in ("a", "b")
    ]
    cells[3]["make"] = "set IV"
    assert missing_rows(cells) == {"a": "run a", "b (III)": "run b", "b (IV)": "set IV"}
    assert missing_rows([cell | {"make": "run"} for cell in cells]) == {"all rows": "run"}


def test_the_text_forms_have_the_same_values():
    markdown, latex = to_markdown(shown(comparison(), 1)), to_latex(shown(comparison(), 1))
    for value in ("0.5500 (0.0707)", "0.6400 (0.0010)", "lower", "agrees", "missing", "no interval"):
        assert value in markdown and value in latex
    assert r"\[0.5000, 0.6000\]" in markdown and "{[}0.5000, 0.6000]" in latex
    assert "&lt;b&gt;R&amp;D&lt;/b&gt;" in markdown and r"R\&D" in latex
