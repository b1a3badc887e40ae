"""The page of stage knowledge: every term with its documents, the vocabularies, and which model named the terms."""

import re
from html import unescape

import pytest
from knowledge_tables import TABLES, page

from clinragen.knowledge.page import ends_of_rounds, phenotypes


def cells(text: str, first: str) -> list[list[str]]:
    """The other cells of every row that begins with a cell, without markup."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", text, re.DOTALL)
    found = [
        [unescape(re.sub("<[^>]*>", "", c)).strip() for c in re.findall(r"<t[dh].*?>(.*?)</t[dh]>", row)]
        for row in rows
    ]
    return [row[1:] for row in found if row and row[0] == first]


def test_every_key_term_has_its_documents_sources_and_wordings():
    text = page()
    assert cells(text, "kidney <i>") == [["3", "2", "1", "kidney <i>; kidneys"]]
    assert cells(text, "shock") == [["1", "0", "1", "shock"]]
    assert "<i>;" not in text, "text of documents is escaped"


def test_the_terms_of_a_phenotype_are_in_order_of_rank_and_the_first_are_visible():
    of = phenotypes(TABLES.terms.to_pylist(), ends_of_rounds(TABLES.convergence), {"Renal": {}, "Shock": {}})
    assert [term["term"] for term in of["Renal"]["terms"]] == [f"term {n}" for n in range(7)] + ["kidney <i>"]
    assert of["Renal"]["first"] == [f"term {n}" for n in range(6)]
    summary = re.search(r"<summary><b>Renal</b>(.*?)</summary>", page(), re.DOTALL).group(1)
    assert "8 terms: term 0" in summary and "…" in summary and "term 6" not in summary


def test_convergence_is_that_of_the_last_round_of_each_phenotype():
    text = page()
    assert ["4", "1 (1 refused)", "9", "8", "0.95", "yes"] in cells(text, "Renal")
    assert ["1", "0", "1", "1", "–", "no"] in cells(text, "Shock")
    assert "<b>1 of 2</b><span>phenotypes with stable terms</span>" in text


def test_the_attrition_of_each_source_and_the_model_that_named_the_terms_are_shown():
    text = page()
    assert cells(text, "with an abstract") == [["12"]] and cells(text, "with a page") == [["2"]]
    assert cells(text, "passes every check") == [["4"]]
    assert cells(text, "no text: the server refused the request") == [["1"]]
    assert "<code>gpt-x</code>" in text and "<code>teacher</code>" in text


def test_the_vocabulary_of_each_language_model_is_shown():
    text = page()
    assert "tiny-t5: 60 tokens" in text and "<b>60</b><span>tokens in the vocabulary of tiny-t5</span>" in text
    assert ["8", "50", "83.3 %", "40", "Shock (0.20)"] in cells(text, "Renal")


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_the_origin_of_the_documents_is_named(mode):
    assert ("Authored texts in place of the services" in page(mode=mode)) == (mode == "offline")


def test_without_a_student_that_attends_to_terms_the_page_says_so():
    assert "No configured student attends to a vocabulary" in page(coverage={})


def test_the_page_names_its_tables():
    text = page()
    for name in ("terms", "convergence", "sources", "attrition_pubmed", "attrition_wikipedia", "vocab/tiny-t5"):
        assert f"{name}.csv" in text, name
