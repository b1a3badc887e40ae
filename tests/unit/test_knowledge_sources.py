"""PubMed and Wikipedia through the real client libraries, against a scripted server; the authored texts."""

import json
import urllib.request
from pathlib import Path

import pytest
from werkzeug import Request, Response

from clinragen.errors import UserError
from clinragen.knowledge import pubmed, wikipedia
from clinragen.knowledge.address import address_of_user
from clinragen.knowledge.documents import read_queries, table_of
from clinragen.knowledge.offline import authored
from clinragen.registry.phenotypes import read_phenotypes, slug
from clinragen.schemas.knowledge import DOCUMENTS

ROOT = Path(__file__).resolve().parents[2]
SEARCH = """<?xml version="1.0" encoding="UTF-8" ?>
<!DOCTYPE eSearchResult PUBLIC "-//NLM//DTD esearch 20060628//EN"
 "https://eutils.ncbi.nlm.nih.gov/eutils/dtd/20060628/esearch.dtd">
<eSearchResult><Count>{count}</Count><RetMax>{count}</RetMax><RetStart>0</RetStart><IdList>
{ids}</IdList><TranslationSet/><QueryTranslation>shock</QueryTranslation></eSearchResult>
"""
ARTICLES = """<?xml version="1.0" ?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN"
 "https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">
<PubmedArticleSet>{articles}</PubmedArticleSet>
"""
ARTICLE = """<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="1">{pmid}</PMID>
<Article PubModel="Print"><Journal><JournalIssue CitedMedium="Print"><PubDate><Year>2020</Year></PubDate>
</JournalIssue></Journal><ArticleTitle>Title {pmid}</ArticleTitle>{abstract}
<PublicationTypeList><PublicationType UI="D016428">Journal Article</PublicationType></PublicationTypeList></Article>
<MedlineJournalInfo><MedlineTA>J</MedlineTA></MedlineJournalInfo></MedlineCitation></PubmedArticle>"""
ABSTRACT = "<Abstract>{parts}</Abstract>"
PLAIN = ABSTRACT.format(parts="<AbstractText>Lactate is raised.</AbstractText>")
LABELLED = ABSTRACT.format(
    parts='<AbstractText Label="METHODS">Cohort.</AbstractText><AbstractText Label="RESULTS">Shock.</AbstractText>'
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for module in (pubmed, wikipedia):
        monkeypatch.setattr(module, "FIRST_WAIT", 0.01)
    # With a key Biopython leaves shorter pauses between requests.
    monkeypatch.setattr(pubmed.Entrez, "api_key", "test")


@pytest.fixture
def entrez(httpserver):
    """Scripted E-utilities: `answers` come first, then the search and the articles."""
    answers: list[Response] = []
    articles = {"11": PLAIN, "22": "", "33": LABELLED}

    def handle(request: Request) -> Response:
        if answers:
            return answers.pop(0)
        values = request.values
        if request.path.endswith("esearch.fcgi"):
            ids = list(articles)[: int(values["retmax"])]
            text = SEARCH.format(count=len(ids), ids="\n".join(f"<Id>{i}</Id>" for i in ids))
        else:
            # PubMed does not keep the order of the question.
            wanted = reversed(values["id"].split(","))
            text = ARTICLES.format(articles="".join(ARTICLE.format(pmid=i, abstract=articles[i]) for i in wanted))
        return Response(text, content_type="text/xml; charset=UTF-8")

    for name in ("esearch", "efetch"):
        httpserver.expect_request(f"/eutils/{name}.fcgi").respond_with_handler(handle)
    return httpserver, answers, articles


def abstracts(server, most=3):
    with pubmed.redirected(server.url_for("/eutils/")):
        return pubmed.abstracts("Shock", "circulatory shock", "me@example.org", most)


def test_abstracts_in_the_order_of_relevance(entrez):
    server, _, _ = entrez
    found = abstracts(server)
    assert [(d.identifier, d.rank, d.text) for d in found] == [
        ("11", 1, "Lactate is raised."),
        ("33", 2, "METHODS: Cohort.\nRESULTS: Shock."),
    ]
    asked = server.log[0][0].args
    assert asked["term"] == "(circulatory shock) AND hasabstract" and asked["sort"] == "relevance"
    assert (asked["email"], asked["tool"]) == ("me@example.org", "clinragen")
    DOCUMENTS.check(table_of(found), "here")
    assert urllib.request._opener is None


@pytest.mark.parametrize(
    "fault",
    [
        Response("busy", status=429),
        Response("down", status=502),
        Response("<html>sorry</html>", content_type="text/html"),
        Response("<eSearchResult><Count>", content_type="text/xml"),
        Response('{"error":"API rate limit exceeded"}', content_type="application/json"),
    ],
    ids=["429", "502", "html", "cut off", "json"],
)
def test_pubmed_faults_pass_or_end_in_a_message(entrez, fault):
    server, answers, _ = entrez
    answers.extend([fault] * 2)
    assert len(abstracts(server)) == 2
    answers.extend([fault] * pubmed.ATTEMPTS)
    with pytest.raises(UserError, match="PubMed returned no valid response for 'Shock'"):
        abstracts(server)


def test_pubmed_that_finds_nothing_is_named(entrez):
    server, _, articles = entrez
    articles.clear()
    with pytest.raises(UserError, match=r"returned no results for 'Shock'.*queries.csv"):
        abstracts(server)


def test_no_network_is_named():
    with pytest.raises(UserError, match="refused"), pubmed.redirected("http://127.0.0.1:9"):
        pubmed.abstracts("Shock", "shock", "me@example.org", 1)


def test_address_of_the_user(monkeypatch):
    monkeypatch.setenv("ENTREZ_EMAIL", "env@example.org")
    assert address_of_user("") == "env@example.org"
    assert address_of_user("set@example.org") == "set@example.org"
    monkeypatch.delenv("ENTREZ_EMAIL")
    with pytest.raises(UserError, match="ENTREZ_EMAIL"):
        address_of_user("")


@pytest.fixture
def mediawiki(httpserver):
    """A scripted MediaWiki API with two articles on any question."""
    answers: list[Response] = []
    texts = {"Shock (circulatory)": "Shock is poor flow.", "Sepsis": "Sepsis is a reaction."}

    def handle(request: Request) -> Response:
        if answers:
            return answers.pop(0)
        values = request.args
        if values.get("list") == "search":
            hits = list(texts)[: int(values["srlimit"])]
            found = [{"ns": 0, "title": t, "pageid": i, "size": 1, "wordcount": 1} for i, t in enumerate(hits, 1)]
            body = {"batchcomplete": "", "query": {"searchinfo": {"totalhits": len(found)}, "search": found}}
        else:
            title = values["titles"]
            page = {"pageid": 1, "ns": 0, "title": title, "extract": texts[title]}
            body = {"batchcomplete": "", "query": {"pages": {"1": page}}}
        return Response(json.dumps(body), content_type="application/json")

    httpserver.expect_request("/w/api.php").respond_with_handler(handle)
    return httpserver, answers, texts


def articles(server, most=2):
    return wikipedia.articles(wikipedia.client(server.url_for("/w/api.php")), "Shock", "Shock", most)


def test_articles_in_the_order_of_the_search(mediawiki):
    server, _, _ = mediawiki
    found = articles(server)
    assert [(d.identifier, d.rank, d.text) for d in found] == [
        ("Shock (circulatory)", 1, "Shock is poor flow."),
        ("Sepsis", 2, "Sepsis is a reaction."),
    ]
    assert articles(server, 1) == found[:1]
    request = server.log[0][0]
    assert request.args["srsearch"] == "Shock" and "clinragen" in request.headers["User-Agent"]
    assert request.headers["Host"] == f"{server.host}:{server.port}"


@pytest.mark.parametrize("fault", [Response("busy", status=429), Response("down", status=503)])
def test_wikipedia_faults_pass_or_end_in_a_message(mediawiki, fault):
    server, answers, _ = mediawiki
    answers.extend([fault] * 2)
    assert len(articles(server)) == 2
    answers.extend([fault] * (wikipedia.RETRIES + 1))
    with pytest.raises(UserError, match="Wikipedia returned no valid response for 'Shock'"):
        articles(server)


def test_wikipedia_garbage_and_absence_are_named(mediawiki):
    server, answers, texts = mediawiki
    answers.append(Response("<html>"))
    with pytest.raises(UserError, match="no valid response"):
        articles(server)
    texts.clear()
    with pytest.raises(UserError, match="returned no results"):
        articles(server)


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
