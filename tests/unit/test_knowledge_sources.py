"""PubMed and Wikipedia through the real client libraries, against scripted servers; the authored texts."""

import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from public_services import (
    EMAIL,
    NOTICE,
    RETRACTED,
    STATPEARLS,
    STRUCTURED,
    MediaWiki,
    PubMed,
    abstract,
    article,
    link,
    page,
)

from clinragen.errors import UserError
from clinragen.knowledge.address import address_of_user
from clinragen.knowledge.documents import documents_of, read_queries, table_of
from clinragen.knowledge.offline import authored
from clinragen.knowledge.plain_text import plain
from clinragen.knowledge.pubmed_records import records
from clinragen.knowledge.steps import Steps
from clinragen.knowledge.wikipedia import plain_paragraphs
from clinragen.registry.phenotypes import read_phenotypes, slug
from clinragen.schemas.extract import ATTRITION
from clinragen.schemas.knowledge import DOCUMENTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def entrez(httpserver):
    return PubMed(httpserver)


@pytest.fixture
def mediawiki(httpserver):
    return MediaWiki(httpserver)


def test_abstracts_in_the_order_of_relevance(entrez, tmp_path, public_services_at_once):
    found = entrez.abstracts(tmp_path)
    assert [(d.identifier, d.rank, d.text) for d in found] == [
        ("11", 1, "Lactate is raised."),
        ("33", 2, "Vasopressors help."),
    ]
    first = found[0]
    assert first.query == "(circulatory shock) AND hasabstract" and first.published == "2020" and first.licence
    assert first.url == "https://pubmed.ncbi.nlm.nih.gov/11/"
    assert timedelta(0) <= datetime.now(UTC) - first.taken < timedelta(minutes=1)
    asked = entrez.requests[0].args
    assert asked["term"] == first.query and asked["sort"] == "relevance"
    assert (asked["email"], asked["tool"]) == (EMAIL, "clinragen") and "api_key" not in asked
    DOCUMENTS.check(table_of(found), "here")
    assert documents_of(table_of(found)) == found
    assert urllib.request._opener is None


def test_the_key_is_that_of_the_environment(entrez, tmp_path, public_services_at_once, monkeypatch):
    monkeypatch.setenv("NCBI_API_KEY", " secret-key ")
    entrez.abstracts(tmp_path)
    assert {r.args["api_key"] for r in entrez.requests} == {"secret-key"}
    monkeypatch.delenv("NCBI_API_KEY")
    entrez.abstracts(tmp_path)
    assert entrez.count == 2, "the question does not depend on who asks"
    for secret in (b"secret-key", EMAIL.encode()):
        assert secret not in (tmp_path / "responses.sqlite").read_bytes()


def test_a_structured_abstract_is_plain_words():
    (record,) = records(f"<PubmedArticleSet>{STRUCTURED}</PubmedArticleSet>".encode()).values()
    assert record.identifier == "31000001"
    assert record.title == "Glycated haemoglobin (HbA1c) in sepsis."
    assert record.text.split("\n") == [
        "BACKGROUND: HbA1c and SpO2 of E. coli sepsis; PaO2 too.",
        "RESULTS: Platelets were 150 × 10^9/L, Ca2+ was low, BMI 30 kg/m2, and PaCO2 rose; FiO2 fell, p < 0.05.",
        "No label.",
    ]
    assert (record.published, record.revised, record.licence) == ("2021-03-05", "2022-01-09", "© 2021 The Authors.")
    assert not record.retracted and not record.notice


def test_a_chapter_of_a_book_is_read():
    (record,) = records(f"<PubmedArticleSet>{STATPEARLS}</PubmedArticleSet>".encode()).values()
    assert (record.identifier, record.title) == ("28613494", "Septic Shock")
    assert record.text == "Septic shock is a subset of sepsis with SvO2 below 70%."
    assert record.published == "2025-07-02" and record.licence == "Copyright © 2026, StatPearls Publishing LLC."
    without = STATPEARLS.replace('<PMID Version="1">28613494</PMID>', "")
    assert list(records(f"<PubmedArticleSet>{without}</PubmedArticleSet>".encode())) == ["NBK430939"]


def test_formulas_need_no_declared_prefix():
    text = article("1", abstract("<mml:math><mml:mi>PaO</mml:mi><mml:mn>2</mml:mn></mml:math> fell"))
    declared, plain = records(f"<PubmedArticleSet >{STRUCTURED}{text}</PubmedArticleSet>".encode()).values()
    assert plain.text == "PaO2 fell" and "PaCO2 rose" in declared.text


@pytest.mark.parametrize(
    ("date", "iso"),
    [
        ("<Year>2020</Year><Month>12</Month>", "2020-12"),
        ("<Year>2020</Year><Season>Spring</Season>", "2020"),
        ("<MedlineDate>1998 Dec-1999 Jan</MedlineDate>", "1998"),
        ("<MedlineDate>Winter</MedlineDate>", None),
    ],
)
def test_dates_are_as_precise_as_they_are_known(date, iso):
    text = article("1", abstract("x"), date=date)
    (record,) = records(f"<PubmedArticleSet>{text}</PubmedArticleSet>".encode()).values()
    assert record.published == iso


def test_what_was_retracted_is_left_out_and_counted(entrez, tmp_path, public_services_at_once, caplog):
    some = abstract("Wrong.")
    entrez.articles = {
        "1": article("1", some, types=RETRACTED),
        "2": article("2", some, links=link("RetractionIn")),
        "3": article("3", some, types=NOTICE),
        "4": article("4", some, links=link("RetractionOf")),
        "5": article("5", abstract("Corrected."), links=link("ErratumIn")),
        "6": article("6", ""),
        "28613494": STATPEARLS,
        "8": article("8", abstract("Beyond.")),
    }
    steps = Steps()
    with caplog.at_level("INFO"):
        found = entrez.abstracts(tmp_path, most=2, steps=steps)
    assert [(d.identifier, d.rank) for d in found] == [("5", 1), ("28613494", 2)]
    assert "4 retracted papers or notices left out: 1, 2, 3, 4" in caplog.text
    attrition = steps.table_of("pubmed")
    ATTRITION.check(attrition, "here")
    assert attrition["rows"].to_pylist() == [8, 8, 4, 3, 2]


def test_records_come_in_batches(entrez, tmp_path, public_services_at_once):
    entrez.articles = {str(i): article(str(i), abstract(f"Text {i}.")) for i in range(1, 260)}
    assert [d.identifier for d in entrez.abstracts(tmp_path, most=240)] == [str(i) for i in range(1, 241)]
    assert [len(r.values.get("id", "").split(",")) for r in entrez.requests] == [1, 100, 100, 50]


def test_pubmed_that_finds_nothing_is_named(entrez, tmp_path, public_services_at_once):
    entrez.articles = {"1": article("1", abstract("x"), types=RETRACTED)}
    with pytest.raises(UserError, match=r"no usable abstract for 'Shock'.*queries.csv"):
        entrez.abstracts(tmp_path)
    entrez.articles = {}
    with pytest.raises(UserError, match=r"returned no results for 'Shock'.*queries.csv"):
        entrez.abstracts(tmp_path / "other")


def test_address_of_the_user(monkeypatch):
    monkeypatch.setenv("ENTREZ_EMAIL", "env@example.org")
    assert address_of_user("") == "env@example.org"
    assert address_of_user("set@example.org") == "set@example.org"
    monkeypatch.delenv("ENTREZ_EMAIL")
    with pytest.raises(UserError, match="ENTREZ_EMAIL"):
        address_of_user("")


def test_articles_in_the_order_of_the_search_without_disambiguation_pages(
    mediawiki, tmp_path, public_services_at_once, caplog
):
    steps = Steps()
    with caplog.at_level("INFO"):
        found = mediawiki.articles(tmp_path, steps=steps)
    assert [(d.identifier, d.rank, d.title, d.text) for d in found] == [
        ("2", 1, "Shock (circulatory)", "Shock is poor flow.\nSigns\nSpO2 falls."),
        ("3", 2, "Sepsis", "Sepsis is a reaction."),
    ]
    assert "'Shock' is a disambiguation page" in caplog.text
    assert steps.table_of("wikipedia")["rows"].to_pylist() == [4, 2]
    first = found[0]
    assert (first.revision, first.published) == ("1002", "2026-02-02")
    assert first.url == "https://en.wikipedia.org/w/index.php?oldid=1002" and "CC BY-SA 4.0" in first.licence
    assert mediawiki.articles(tmp_path, most=1) == found[:1]
    request = mediawiki.requests[0]
    assert request.args["srsearch"] == "Shock"
    assert "clinragen-reproduction/" in request.headers["User-Agent"] and EMAIL in request.headers["User-Agent"]
    assert request.headers["Host"] == f"{mediawiki.http.host}:{mediawiki.http.port}"
    DOCUMENTS.check(table_of(found), "here")


def test_a_page_without_text_is_passed_over(mediawiki, tmp_path, public_services_at_once):
    mediawiki.pages = {"A": page(1, "A", " "), "B": page(2, "B", "Text."), "C": {"title": "C", "missing": ""}}
    mediawiki.pages["C"]["pageid"] = -1
    assert [d.title for d in mediawiki.articles(tmp_path)] == ["B"]
    mediawiki.pages = {}
    with pytest.raises(UserError, match="returned no results"):
        mediawiki.articles(tmp_path / "other")


def test_latex_and_typeset_digits_are_plain():
    assert plain_paragraphs("PaO₂ is {\\displaystyle {\\ce {O2}}} low.\n\n\n  x\n") == "PaO2 is low.\nx"
    assert plain_paragraphs("open {\\displaystyle {x}") == "open"
    assert plain("a  < b &\tHbA₁c") == "a < b & HbA1c"


PHENOTYPES = read_phenotypes(ROOT / "resources" / "phenotypes.csv")


@pytest.mark.parametrize(("source", "words"), [("pubmed", (60, 100)), ("wikipedia", (80, 125))])
def test_every_phenotype_has_an_authored_text(source, words):
    texts = sorted((ROOT / "resources" / "knowledge" / source).glob("*.md"))
    found = authored(PHENOTYPES, source, texts)
    assert len(found) == len(texts) == 25
    assert all(words[0] <= len(d.text.split()) <= words[1] for d in found)
    DOCUMENTS.check(table_of(found), source)


def test_an_authored_text_must_be_there_and_have_a_title(tmp_path):
    with pytest.raises(UserError, match="texts are missing for"):
        authored(["Shock"], "pubmed", [])
    path = tmp_path / "shock.md"
    path.write_text("No title\n\ntext")
    with pytest.raises(UserError, match="# Title"):
        authored(["Shock"], "pubmed", [path])


@pytest.mark.parametrize("source", ["pubmed", "wikipedia"])
def test_every_phenotype_has_a_query(source):
    assert list(read_queries(ROOT / "resources" / "knowledge" / "queries.csv", source)) == PHENOTYPES


def test_slugs_are_file_names():
    assert slug("Pleurisy; pneumothorax; pulmonary collapse") == "pleurisy-pneumothorax-pulmonary-collapse"
    assert len({slug(p) for p in PHENOTYPES}) == 25
