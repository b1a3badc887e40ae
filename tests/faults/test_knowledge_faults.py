"""What services, networks and killed processes do to the retrieval of documents: nothing is lost or fetched twice."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from public_services import EMAIL, SEARCH, SET, MediaWiki, PubMed, abstract, article, cut, failure
from werkzeug import Response

from clinragen.errors import UserError
from clinragen.knowledge import pubmed, service
from clinragen.knowledge.responses import FILE, stored_responses
from clinragen.schemas.knowledge import DOCUMENTS

ROOT = Path(__file__).resolve().parents[2]
XML, JSON = "text/xml; charset=UTF-8", "application/json"
pytestmark = pytest.mark.usefixtures("public_services_at_once")


@pytest.fixture
def entrez(httpserver):
    return PubMed(httpserver)


@pytest.fixture
def mediawiki(httpserver):
    return MediaWiki(httpserver)


def rows(store: Path) -> int:
    with sqlite3.connect(store / FILE) as connection:
        return connection.execute("SELECT count(*) FROM responses").fetchone()[0]


COMMON = {
    "429": lambda: failure(429),
    "429 with a wait": lambda: failure(429, Retry_After="0"),
    "500": lambda: failure(500),
    "502": lambda: Response("down", status=502),
    "HTML with status 200": lambda: Response("<html><body>Sorry<br></body></html>", content_type="text/html"),
    "XHTML with status 200": lambda: Response("<html><body>Sorry</body></html>", content_type="text/html"),
    "nothing": lambda: Response("", content_type=XML),
    "plain text": lambda: Response("Service unavailable", content_type="text/plain"),
}
IN_PUBMED = COMMON | {
    "cut off": cut(SEARCH.format(count=3, ids="<Id>11</Id>"), XML),
    "malformed": lambda: Response("<eSearchResult><Count>", content_type=XML),
    "an error": lambda: Response("<eSearchResult><ERROR>Backend failed</ERROR></eSearchResult>", content_type=XML),
    "none of the results": lambda: Response(SEARCH.format(count=3, ids=""), content_type=XML),
    "JSON": lambda: Response('{"error":"API rate limit exceeded"}', content_type=JSON),
    "entities that multiply": lambda: Response(
        "<!DOCTYPE x [<!ENTITY a0 'aaaaaaaaaa'>"
        + "".join(f"<!ENTITY a{i + 1} '{f'&a{i};' * 10}'>" for i in range(9))
        + "]><eSearchResult><Count>&a9;</Count></eSearchResult>",
        content_type=XML,
    ),
}
IN_WIKIPEDIA = COMMON | {
    "cut off": cut('{"batchcomplete": "", "query": {"search": []}}', JSON),
    "malformed": lambda: Response('{"query": {', content_type=JSON),
    "an error": lambda: Response('{"error": {"code": "maxlag", "info": "waiting"}}', content_type=JSON),
    "a list": lambda: Response("[]", content_type=JSON),
    "deep": lambda: Response("[" * 100_000, content_type=JSON),
    "half a page": lambda: Response('{"query": {"pages": {"1": {"pageid": 1, "title": "x"}}}}', content_type=JSON),
}


@pytest.mark.parametrize("fault", IN_PUBMED.values(), ids=IN_PUBMED.keys())
def test_pubmed_faults_pass_or_end_in_a_message_and_are_never_stored(fault, entrez, tmp_path):
    entrez.script = [fault] * service.ATTEMPTS
    with pytest.raises(UserError, match=r"PubMed returned no valid response .*knowledge\.pubmed\.endpoint"):
        entrez.abstracts(tmp_path)
    assert rows(tmp_path) == 0 and entrez.count == service.ATTEMPTS
    entrez.script = [fault] * 2
    assert len(entrez.abstracts(tmp_path)) == 2
    assert rows(tmp_path) == 2 and entrez.count == service.ATTEMPTS + 4
    entrez.script = [fault] * 9
    assert len(entrez.abstracts(tmp_path)) == 2, "the service is not asked any more"


@pytest.mark.parametrize("fault", IN_WIKIPEDIA.values(), ids=IN_WIKIPEDIA.keys())
def test_wikipedia_faults_pass_or_end_in_a_message_and_are_never_stored(fault, mediawiki, tmp_path):
    mediawiki.script = [fault] * service.ATTEMPTS
    with pytest.raises(UserError, match=r"Wikipedia returned no valid response .*knowledge\.wikipedia\.endpoint"):
        mediawiki.articles(tmp_path)
    assert rows(tmp_path) == 0 and mediawiki.count == service.ATTEMPTS
    mediawiki.script = [fault] * 2
    assert len(mediawiki.articles(tmp_path)) == 2
    assert rows(tmp_path) == 5 and mediawiki.count == service.ATTEMPTS + 7
    mediawiki.script = [fault] * 9
    assert len(mediawiki.articles(tmp_path)) == 2, "the service is not asked any more"


@pytest.mark.parametrize("fault", [cut(SET, XML), lambda: Response(SET.format(articles=""), content_type=XML)])
def test_faulty_records_are_fetched_again(fault, entrez, tmp_path):
    entrez.script = [None, fault, fault]
    assert len(entrez.abstracts(tmp_path)) == 2 and entrez.count == 4 and rows(tmp_path) == 2


def test_what_will_not_pass_is_not_repeated_and_the_key_is_not_shown(entrez, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("NCBI_API_KEY", "secret-key")
    entrez.script = [failure(400)] * 2
    with pytest.raises(UserError, match=r"HTTP status 400; is the key in NCBI_API_KEY valid\?, 1 attempt\)") as error:
        entrez.abstracts(tmp_path)
    assert entrez.count == 1
    entrez.script = [failure(429)] * 9
    with caplog.at_level("DEBUG"), pytest.raises(UserError) as again:
        entrez.abstracts(tmp_path)
    logged = [r.getMessage() for r in caplog.records if r.name != "werkzeug"]  # the server's own log
    assert "PubMed: HTTP status 429; retrying" in logged
    assert not any(w in f"{logged}{error.value}{again.value}" for w in ("secret-key", EMAIL))


def test_the_service_decides_how_long_to_wait(entrez, tmp_path):
    entrez.script = [failure(429, Retry_After="1")]
    started = time.monotonic()
    entrez.abstracts(tmp_path)
    assert 1.0 <= time.monotonic() - started < 4


def test_a_response_that_is_too_large_or_too_slow_is_refused(entrez, mediawiki, tmp_path, monkeypatch):
    monkeypatch.setattr(service, "LARGEST", 50)
    for retrieve, source in ((entrez, entrez.abstracts), (mediawiki, mediawiki.articles)):
        with pytest.raises(UserError, match="above 50 bytes"):
            source(tmp_path)
        assert retrieve.count == 1
    monkeypatch.setattr(service, "LARGEST", 10**6)
    monkeypatch.setattr(service, "DEADLINE", -1.0)
    with pytest.raises(UserError, match="takes more than"):
        entrez.abstracts(tmp_path)


def test_no_network_is_named(tmp_path):
    with (
        pytest.raises(UserError, match="refused"),
        stored_responses(tmp_path, "") as responses,
        pubmed.entrez("http://127.0.0.1:9", EMAIL),
    ):
        pubmed.abstracts(responses, "Shock", "shock", 1, pubmed.Steps())


def test_refresh_fetches_once_again_and_leaves_others_what_they_had(entrez, tmp_path):
    before = entrez.abstracts(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE responses SET taken = '2026-01-05T00:00:00+00:00'")
    entrez.articles["33"] = article("33", abstract("Corrected."))
    today = datetime.now(UTC).date().isoformat()
    for _ in range(2):
        found = entrez.abstracts(tmp_path, refresh=today)
        assert found[1].text == "Corrected." and found[1].taken.date().isoformat() == today
        assert entrez.count == 4
    assert [d.text for d in entrez.abstracts(tmp_path)] == [d.text for d in before] and entrez.count == 4


# --- The rule's own command, as a process ---

QUERIES = "phenotype,pubmed,wikipedia\n" + "".join(f"P{i},query {i},Query {i}\n" for i in range(12))


def start(source: str, server: PubMed | MediaWiki, directory: Path, name: str, most: int = 2) -> subprocess.Popen:
    """The rule's script against a scripted server, in a separate directory, with shared responses."""
    (directory / "queries.csv").write_text(QUERIES, encoding="utf-8")
    command = [sys.executable, str(ROOT / "scripts/knowledge_documents.py"), "--queries", "queries.csv", "--texts"]
    command += ["--source", source, "--mode", "online", "--documents", f"{most}"]
    command += ["--answers", "answers", "--refresh", ""]
    command += [f"--email={EMAIL}"]
    command += ["--endpoint", server.endpoint, "--out", f"{name}.parquet", "--attrition", f"{name}.csv"]
    environment = {**os.environ, "NCBI_API_KEY": "secret-key"}
    return subprocess.Popen(command, cwd=directory, env=environment, stderr=subprocess.PIPE, text=True)


def questions(server: PubMed | MediaWiki) -> Counter:
    """How often each question arrived."""
    return Counter(r.full_path for r in server.requests)


@pytest.mark.parametrize(("source", "service_of"), [("pubmed", PubMed), ("wikipedia", MediaWiki)])
def test_killed_at_any_moment_a_rerun_asks_only_for_what_is_missing(source, service_of, httpserver, tmp_path):
    server = service_of(httpserver)
    for kept in (3, 9):
        process = start(source, server, tmp_path, "out")
        while server.count < kept and process.poll() is None:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()
    assert not (tmp_path / "out.parquet").exists() and server.count >= 9
    for _ in range(2):
        process = start(source, server, tmp_path, "out")
        words = process.communicate()[1]
        assert process.returncode == 0, words
        assert "secret-key" not in words and EMAIL not in words
    asked = questions(server)
    assert len(asked) == rows(tmp_path / "answers")
    assert sum(asked.values()) <= len(asked) + 2, "at most the requests pending at each kill"
    assert DOCUMENTS.read(tmp_path / "out.parquet").num_rows == 24
    records = "".join(p.read_text(encoding="utf-8") for p in tmp_path.rglob("*.json"))
    assert "secret-key" not in records and EMAIL not in records and '"responses"' in records


def test_two_processes_at_once_read_the_same(httpserver, tmp_path):
    server = PubMed(httpserver)
    processes = [start("pubmed", server, tmp_path, name) for name in ("one", "other")]
    for process in processes:
        words = process.communicate()[1]
        assert process.returncode == 0, words
    one, other = ((tmp_path / f"{name}.parquet").read_bytes() for name in ("one", "other"))
    assert one == other
    assert len(questions(server)) == rows(tmp_path / "answers") and max(questions(server).values()) <= 2


def test_the_pace_is_kept_over_processes(httpserver, tmp_path):
    server = PubMed(httpserver)
    moments: list[float] = []
    reply = server.reply
    server.reply = lambda request: moments.append(time.monotonic()) or reply(request)
    # Other questions each: what one has stored, the other does not ask.
    processes = [start("pubmed", server, tmp_path, f"out{most}", most) for most in (1, 2)]
    for process in processes:
        process.communicate()
    assert len(moments) >= 25
    # With a key, turns are 0.11 s apart over all processes; on a busy machine the first request may be late.
    assert max(moments) - min(moments) > (len(moments) - 1) * 0.11 - 0.5
