"""The journal: answers are read back as written, and failed writes are errors."""

import sqlite3
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinragen.errors import UserError
from clinragen.llm.journal import FILE, Entry, Journal

# Texts that both JSON and SQLite can store: lone surrogates are replaced earlier.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def entry(request: str = "r", text: str = "t", attempt: int = 0) -> Entry:
    return Entry(request, attempt, "terms", "m", "m-1", "v", "{}", "answered", text, "stop", 1, 2, 0.5, "2026-01-01")


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("abc"), TEXTS), max_size=8))
def test_round_trip(written):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "sub", FILE)
        with Journal(path) as journal:
            for request, text in written:
                journal.add(entry(request, text))
        with Journal(path) as journal:
            for request in "abc":
                assert journal.answers(request) == [entry(r, t) for r, t in written if r == request]


def test_flushed_answers_are_on_disk(tmp_path):
    with Journal(tmp_path / FILE) as journal:
        journal.add(entry())
        journal.flush()
        with sqlite3.connect(tmp_path / FILE) as other:
            assert other.execute("SELECT text FROM answers").fetchall() == [("t",)]


def test_several_writers_lose_nothing(tmp_path):
    def write(name: str) -> None:
        with Journal(tmp_path / FILE) as journal:
            for i in range(50):
                journal.add(entry(f"{name}{i}"))

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Journal(tmp_path / FILE) as journal:
        assert all(journal.answers(f"{name}{i}") for name in "abc" for i in range(50))


def test_only_the_owner_may_read_it(tmp_path):
    with Journal(tmp_path / "sub" / FILE) as journal:
        journal.add(entry())
    assert (tmp_path / "sub" / FILE).stat().st_mode & 0o777 == 0o600


def test_a_copy_that_others_may_read_becomes_private(tmp_path):
    with Journal(tmp_path / FILE):
        (tmp_path / FILE).chmod(0o644)
    with Journal(tmp_path / FILE):
        assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_failed_write_is_an_error_and_not_an_endless_wait(tmp_path):
    with Journal(tmp_path / FILE) as journal:
        journal.add(entry(text="lone \ud800 surrogate"))
        with pytest.raises(UserError, match=r"an answer cannot be written \(UnicodeEncodeError\)") as raised:
            journal.flush()
        assert "surrogate" not in str(raised.value)
        journal._error = None  # otherwise the end of the `with` block would raise it again


def test_a_file_that_is_not_a_journal_is_named(tmp_path):
    (tmp_path / FILE).write_bytes(b"no database at all, but long enough to be read as a header " * 9)
    with pytest.raises(UserError, match=rf"{FILE}: file is not a database; move it away"), Journal(tmp_path / FILE):
        pass


def test_an_interrupted_transaction_is_rolled_back(tmp_path):
    """A killed process leaves a rollback journal, which the next process applies."""
    with Journal(tmp_path / FILE) as journal:
        journal.add(entry("before"))
    connection = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("BEGIN IMMEDIATE")
    values = [(f"r{i}", "x" * 5000) for i in range(200)]
    columns = "request, attempt, task, model, served_model, prompt_version, parameters, status, text, finish_reason"
    connection.executemany(
        f"INSERT INTO answers ({columns}, prompt_tokens, completion_tokens, seconds, time) "
        "VALUES (?, 0, '', '', '', '', '', '', ?, '', 0, 0, 0, '')",
        values,
    )
    torn = tmp_path / "torn"
    torn.mkdir()
    for name in (FILE, f"{FILE}-journal"):
        (torn / name).write_bytes((tmp_path / name).read_bytes())
    connection.execute("ROLLBACK")
    with Journal(torn / FILE) as journal:
        assert journal.answers("before") and not journal.answers("r0")


def test_a_write_that_fails_is_an_error_of_the_next_call(tmp_path):
    with pytest.raises(UserError, match="readonly"), Journal(tmp_path / FILE) as journal:
        writer = sqlite3.connect(tmp_path / FILE)
        writer.execute("CREATE TRIGGER full BEFORE INSERT ON answers BEGIN SELECT RAISE(ABORT, 'readonly'); END")
        writer.commit()
        journal.add(entry())
        journal.flush()
