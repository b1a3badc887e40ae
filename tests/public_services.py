"""Scripted E-utilities and MediaWiki, which can misbehave on purpose, and records as PubMed sends them.

The records are written by hand after PubMed's document type (https://dtd.nlm.nih.gov/ncbi/pubmed/out/).
"""

import json
import threading
from collections.abc import Callable
from pathlib import Path

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from clinragen.knowledge import pubmed
from clinragen.knowledge.documents import Document
from clinragen.knowledge.responses import stored_responses
from clinragen.knowledge.steps import Steps
from clinragen.knowledge.wikipedia import Wikipedia

EMAIL = "me@example.org"
Fault = Callable[[], Response] | Response


class Scripted:
    """One service: `script` holds the responses that come before the proper ones."""

    def __init__(self, http: HTTPServer, path: str, reply: Callable[[Request], Response]) -> None:
        self.http, self.reply = http, reply
        self.script: list[Fault] = []
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        http.expect_request(path).respond_with_handler(self._respond)

    @property
    def count(self) -> int:
        """Requests that arrived."""
        return len(self.requests)

    def _respond(self, request: Request) -> Response:
        with self._lock:
            self.requests.append(request)
            step = self.script.pop(0) if self.script else None
        if step is None:
            return self.reply(request)
        return step if isinstance(step, Response) else step()


def failure(status: int, **headers: str) -> Response:
    """An error of the server, which names the key of the request, as NCBI's do."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response('{"error":"API rate limit exceeded","api-key":"secret-key"}', status=status, headers=names)


def cut(text: str, kind: str) -> Callable[[], Response]:
    """Half of a response whose header announces the whole."""

    def respond() -> Response:
        response = Response(text[: len(text) // 2], content_type=kind)
        response.automatically_set_content_length = False
        response.headers["Content-Length"] = str(len(text))
        response.headers["Connection"] = "close"
        return response

    return respond


# --- PubMed ---

SEARCH = """<?xml version="1.0" encoding="UTF-8" ?>
<!DOCTYPE eSearchResult PUBLIC "-//NLM//DTD esearch 20060628//EN"
 "https://eutils.ncbi.nlm.nih.gov/eutils/dtd/20060628/esearch.dtd">
<eSearchResult><Count>{count}</Count><RetMax>{count}</RetMax><RetStart>0</RetStart><IdList>
{ids}</IdList><TranslationSet/><QueryTranslation>shock</QueryTranslation></eSearchResult>
"""
SET = """<?xml version="1.0" ?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2027//EN"
 "https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_270101.dtd">
<PubmedArticleSet>{articles}</PubmedArticleSet>
"""
ARTICLE = """<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="1">{pmid}</PMID>{revised}
<Article PubModel="Print"><Journal><JournalIssue CitedMedium="Print"><PubDate>{date}</PubDate></JournalIssue>
<Title>Journal</Title></Journal><ArticleTitle>{title}</ArticleTitle>{abstract}<Language>eng</Language>
<PublicationTypeList>{types}</PublicationTypeList></Article><MedlineJournalInfo><MedlineTA>J</MedlineTA>
</MedlineJournalInfo>{links}</MedlineCitation><PubmedData><PublicationStatus>ppublish</PublicationStatus>
<ReferenceList><Reference><Citation>Another paper.</Citation></Reference></ReferenceList></PubmedData>
</PubmedArticle>"""
JOURNAL_ARTICLE = '<PublicationType UI="D016428">Journal Article</PublicationType>'
RETRACTED = '<PublicationType UI="D016441">Retracted Publication</PublicationType>'
NOTICE = '<PublicationType UI="D016440">Retraction Notice</PublicationType>'


def abstract(*parts: str) -> str:
    """An abstract of one or more paragraphs."""
    return f"<Abstract>{''.join(f'<AbstractText>{p}</AbstractText>' for p in parts)}</Abstract>"


def article(pmid: str, text: str, **parts: str) -> str:
    """An article as PubMed sends it."""
    plain = {
        "title": f"Title {pmid}",
        "types": JOURNAL_ARTICLE,
        "links": "",
        "revised": "",
        "date": "<Year>2020</Year>",
    }
    return ARTICLE.format(pmid=pmid, abstract=text, **{**plain, **parts})


def link(kind: str) -> str:
    """A link to another paper, such as to the one that retracts this one."""
    return (
        f'<CommentsCorrectionsList><CommentsCorrections RefType="{kind}"><RefSource>J. 2022</RefSource>'
        '<PMID Version="1">99</PMID></CommentsCorrections></CommentsCorrectionsList>'
    )


STRUCTURED = article(
    "31000001",
    '<Abstract><AbstractText Label="BACKGROUND" NlmCategory="BACKGROUND">HbA<sub>1c</sub> and SpO<sub>2</sub> of '
    "<i>E. coli</i>\n   sepsis; PaO₂ too.</AbstractText>"
    '<AbstractText Label="RESULTS" NlmCategory="RESULTS">Platelets were 150 × 10<sup>9</sup>/L, Ca<sup>2+</sup> was '
    "low, BMI 30 kg/m<sup>2</sup>, and "
    '<mml:math xmlns:mml="http://www.w3.org/1998/Math/MathML"><mml:msub>\n  <mml:mi>PaCO</mml:mi>\n  '
    "<mml:mn>2</mml:mn>\n</mml:msub></mml:math> rose; FiO&lt;sub&gt;2&lt;/sub&gt; fell, p &lt; 0.05.</AbstractText>"
    '<AbstractText Label="UNLABELLED">No label.</AbstractText><AbstractText/>'
    "<CopyrightInformation>© 2021 The Authors.</CopyrightInformation></Abstract>",
    title="<b>Glycated haemoglobin (HbA<sub>1c</sub>)</b> in sepsis.",
    date="<Year>2021</Year><Month>Mar</Month><Day>5</Day>",
    revised="<DateRevised><Year>2022</Year><Month>01</Month><Day>09</Day></DateRevised>",
)
STATPEARLS = """<PubmedBookArticle><BookDocument><PMID Version="1">28613494</PMID>
<ArticleIdList><ArticleId IdType="bookaccession">NBK430939</ArticleId></ArticleIdList>
<Book><Publisher><PublisherName>StatPearls Publishing</PublisherName><PublisherLocation>Treasure Island (FL)
</PublisherLocation></Publisher><BookTitle book="statpearls">StatPearls</BookTitle><PubDate><Year>2026</Year>
<Month>01</Month></PubDate><BeginningDate><Year>2026</Year><Month>01</Month></BeginningDate><Medium>Internet</Medium>
</Book><ArticleTitle book="statpearls" part="article-28877">Septic Shock</ArticleTitle><Language>eng</Language>
<AuthorList Type="authors" CompleteYN="Y"><Author ValidYN="Y"><LastName>Doe</LastName></Author></AuthorList>
<PublicationType UI="D000072643">Study Guide</PublicationType><Abstract><AbstractText>Septic shock is a subset of sepsis
with S<sub>v</sub>O<sub>2</sub> below 70%.</AbstractText><CopyrightInformation>Copyright © 2026, StatPearls Publishing
LLC.</CopyrightInformation></Abstract><Sections><Section><SectionTitle book="statpearls" part="article-28877" sec="s1">
Etiology</SectionTitle></Section></Sections><ContributionDate><Year>2025</Year><Month>7</Month><Day>2</Day>
</ContributionDate><ReferenceList/></BookDocument><PubmedBookData><History/><PublicationStatus>ppublish
</PublicationStatus></PubmedBookData></PubmedBookArticle>"""


class PubMed(Scripted):
    """Scripted E-utilities with a few articles, found by any search in this order."""

    def __init__(self, http: HTTPServer) -> None:
        super().__init__(http, "/eutils/", self._reply)
        for name in ("esearch", "efetch"):
            http.expect_request(f"/eutils/{name}.fcgi").respond_with_handler(self._respond)
        self.endpoint = http.url_for("/eutils/")
        self.articles = {
            "11": article("11", abstract("Lactate is raised.")),
            "22": article("22", ""),
            "33": article("33", abstract("Vasopressors help.")),
        }

    def _reply(self, request: Request) -> Response:
        values = request.values
        if request.path.endswith("esearch.fcgi"):
            text = self.found(list(self.articles)[: int(values["retmax"])])
        else:
            # PubMed does not keep the order of the question.
            wanted = [i for i in reversed(values["id"].split(",")) if i in self.articles]
            text = SET.format(articles="".join(self.articles[i] for i in wanted))
        return Response(text, content_type="text/xml; charset=UTF-8")

    def found(self, ids: list[str]) -> str:
        """The result of a search."""
        return SEARCH.format(count=len(self.articles), ids="\n".join(f"<Id>{i}</Id>" for i in ids))

    def abstracts(self, store: Path, most: int = 3, refresh: str = "", steps: Steps | None = None) -> list[Document]:
        """What the stage retrieves."""
        with stored_responses(store, refresh) as responses, pubmed.entrez(self.endpoint, EMAIL):
            return pubmed.abstracts(responses, "Shock", "circulatory shock", most, steps or Steps())


# --- Wikipedia ---


def page(number: int, title: str, text: str, **more: object) -> dict:
    """A page as MediaWiki sends it."""
    revision = {"revid": 1000 + number, "parentid": 1, "timestamp": f"2026-0{number}-02T03:04:05Z"}
    return {"pageid": number, "ns": 0, "title": title, "extract": text, "revisions": [revision], **more}


class MediaWiki(Scripted):
    """A scripted MediaWiki with a few pages, found by any search in this order; a redirect names its target."""

    def __init__(self, http: HTTPServer) -> None:
        super().__init__(http, "/w/api.php", self._reply)
        self.endpoint = http.url_for("/w/api.php")
        self.pages: dict[str, dict] = {
            "Shock": page(1, "Shock", "Shock may refer to:", pageprops={"disambiguation": ""}),
            "Shock (circulatory)": page(2, "Shock (circulatory)", "Shock is poor flow.\n\n\n== Signs ==\nSpO₂ falls."),
            "Circulatory shock": page(2, "Shock (circulatory)", "Shock is poor flow."),
            "Sepsis": page(3, "Sepsis", "Sepsis is a reaction."),
        }

    def _reply(self, request: Request) -> Response:
        values = request.args
        if values.get("list") == "search":
            hits = list(self.pages)[: int(values["srlimit"])]
            found = [{"ns": 0, "title": t, "pageid": i, "size": 1, "wordcount": 1} for i, t in enumerate(hits, 1)]
            query: dict = {"searchinfo": {"totalhits": 999}, "search": found}
            more = {"continue": {"sroffset": len(hits), "continue": "-||"}}
        else:
            asked = values["titles"]
            query, more = {"pages": {str(self.pages[asked]["pageid"]): self.pages[asked]}}, {"batchcomplete": ""}
            if self.pages[asked]["title"] != asked:
                query["redirects"] = [{"from": asked, "to": self.pages[asked]["title"]}]
        return Response(json.dumps({**more, "query": query}), content_type="application/json")

    def articles(self, store: Path, most: int = 2, refresh: str = "", steps: Steps | None = None) -> list[Document]:
        """What the stage retrieves."""
        with stored_responses(store, refresh) as responses:
            return Wikipedia(self.endpoint, EMAIL, responses).articles("Shock", "Shock", most, steps or Steps())
