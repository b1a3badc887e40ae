"""The stored responses: what identifies a question, which response counts, whose turn it is."""

import sqlite3
import stat
from datetime import UTC, datetime, timedelta

import pytest

from clinragen.errors import UserError
from clinragen.knowledge import responses as stored
from clinragen.knowledge.responses import FILE, Request, Response, stored_responses
from clinragen.knowledge.service import seconds

QUESTION = {"db": "pubmed", "term": "shock"}


def request(**parameters: str) -> Request:
    return Request("pubmed", "esearch.fcgi", {**QUESTION, **parameters})


def response(body: bytes, day: str) -> Response:
    return Response(body, datetime.fromisoformat(f"{day}T12:00:00+00:00"))


def test_the_question_does_not_include_who_asks():
    same = request(email="me@example.org", tool="x", api_key="secret-key")
    assert same.key == request().key and "secret" not in same.question and "@" not in same.question
    assert Request("pubmed", "esearch.fcgi", dict(reversed(QUESTION.items()))).key == request().key
    others = [request(retmax="1"), Request("wikipedia", "esearch.fcgi", QUESTION), Request("pubmed", "x", QUESTION)]
    assert len({request().key, *(other.key for other in others)}) == 4


def test_what_is_kept_is_read_again_as_it_was(tmp_path):
    body = bytes(range(256)) * 100
    with stored_responses(tmp_path / "a" / "b", "") as responses:
        assert responses.get(request()) is None and responses.used == set()
        responses.keep(request(api_key="secret-key"), response(body, "2026-01-05"))
    with stored_responses(tmp_path / "a" / "b", "") as responses:
        assert responses.get(request()) == response(body, "2026-01-05")
        assert responses.used == {request().key}
    file = tmp_path / "a" / "b" / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and b"secret-key" not in file.read_bytes()


def test_the_first_response_since_the_date_counts_whatever_others_asked_later(tmp_path):
    def read(refresh: str) -> bytes | None:
        with stored_responses(tmp_path, refresh) as responses:
            found = responses.get(request())
            return found and found.body

    def keep(refresh: str, body: bytes, day: str) -> bytes:
        with stored_responses(tmp_path, refresh) as responses:
            return responses.keep(request(), response(body, day)).body

    assert keep("", b"old", "2026-01-05") == b"old"
    assert read("2026-01-05") == b"old" and read("2026-01-06") is None
    assert keep("2026-02-01", b"new", "2026-02-01") == b"new"
    assert keep("", b"late", "2026-03-01") == b"old", "another process was faster: what it stored counts"
    assert (read(""), read("2026-01-06"), read("2026-02-01"), read("2026-02-02")) == (b"old", b"new", b"new", None)


def test_a_date_in_the_future_is_refused(tmp_path):
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    with pytest.raises(UserError, match=r"knowledge\.refresh"), stored_responses(tmp_path, tomorrow):
        pass
    with stored_responses(tmp_path, datetime.now(UTC).date().isoformat()):
        pass


def test_turns_are_spaced_over_all_processes(tmp_path):
    with stored_responses(tmp_path, "") as one, stored_responses(tmp_path, "") as other:
        waits = [asker.turn("pubmed", 10.0) for asker in (one, other, one)]
        assert waits == pytest.approx([0.0, 10.0, 20.0], abs=1)
        assert other.turn("wikipedia", 10.0) == 0.0
        one.pause("wikipedia", 60.0)
        assert other.turn("wikipedia", 1.0) == pytest.approx(61.0, abs=1)


def test_a_clock_that_was_wrong_blocks_nobody(tmp_path):
    with stored_responses(tmp_path, ""):
        pass
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("INSERT INTO turns VALUES ('pubmed', 1e12)")
    with stored_responses(tmp_path, "") as responses:
        assert responses.turn("pubmed", 1.0) == 0.0
        responses.pause("pubmed", 1e9)
        assert responses.turn("pubmed", 0.0) <= stored.LONGEST_PAUSE


def test_damage_is_named(tmp_path):
    with stored_responses(tmp_path, "") as responses:
        responses.keep(request(), response(b"body", "2026-01-05"))
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE responses SET body = x'00'")
    with pytest.raises(UserError, match=r"responses\.sqlite.*damaged"), stored_responses(tmp_path, "") as responses:
        responses.get(request())
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(UserError, match=r"responses\.sqlite"), stored_responses(tmp_path, ""):
        pass


def test_retry_after_is_a_number_or_a_date():
    in_a_minute = (datetime.now(UTC) + timedelta(minutes=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert seconds("7") == 7 and seconds(in_a_minute) == pytest.approx(60, abs=2)
    assert seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0 and seconds("99999") == stored.LONGEST_PAUSE
    assert seconds(None) is seconds("soon") is seconds("-1") is None
