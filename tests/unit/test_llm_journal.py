"""The journal: what is written comes back, whatever happened to the last line."""

import logging
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from clinragen.llm.journal import Entry, Journal


def entry(request: str = "r", text: str = "t", attempt: int = 0) -> Entry:
    return Entry(
        request, attempt, "terms", "m", "m-1", "v", {"temperature": 0.0}, text, "stop", 1, 2, 0.5, "2026-01-01T00:00:00"
    )


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.text()), max_size=8))
def test_round_trip(written):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sub", "j.jsonl")
        with Journal(path) as journal:
            for request, text in written:
                journal.append(entry(request, text))
        with Journal(path) as journal:
            for request in "abc":
                assert [e.text for e in journal.answers(request)] == [t for r, t in written if r == request]


@settings(max_examples=50)
@given(st.text(), st.data())
def test_a_torn_last_line_is_dropped_and_the_next_is_whole(text, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "j.jsonl")
        with Journal(path) as journal:
            journal.append(entry("whole"))
            size = path.stat().st_size
            journal.append(entry("torn", text))
        cut = data.draw(st.integers(size, path.stat().st_size - 1))
        path.write_bytes(path.read_bytes()[:cut])
        with Journal(path) as journal:
            assert journal.answers("whole") and not journal.answers("torn")
            journal.append(entry("next"))
        with Journal(path) as journal:
            assert journal.answers("whole") and journal.answers("next")


def test_lines_that_are_no_answers_are_counted(tmp_path, caplog):
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        journal.append(entry("good"))
    path.write_bytes(b'{"request": "half"}\n[1]\n\xff\n' + path.read_bytes())
    with caplog.at_level(logging.WARNING), Journal(path) as journal:
        assert journal.answers("good")
    assert "skipped 3 malformed lines" in caplog.text


def test_only_the_owner_may_read_it(tmp_path):
    with Journal(tmp_path / "j.jsonl"):
        assert (tmp_path / "j.jsonl").stat().st_mode & 0o077 == 0
