"""Batches recorded next to the answers: their owner, and results that are recorded once."""

import sqlite3

import pytest
from unit.test_llm_journal import entry

from clinragen.database import database
from clinragen.llm.batches import Batches, name_of
from clinragen.llm.journal import FILE, SCHEMA, Sent


@pytest.fixture
def connection(tmp_path):
    with database(tmp_path / FILE, SCHEMA) as opened:
        yield opened


def asked(number: int) -> Sent:
    return Sent(f"m-{number}", 0, "terms", "v1", "{}")


def answers(connection) -> int:
    return connection.execute("SELECT count(*) FROM answers").fetchone()[0]


def test_results_are_recorded_once_by_any_process(connection):
    batches = Batches(connection, "host", "m")
    batches.uploaded("file", [asked(1)], 100)
    assert batches.finish("file", [entry(), entry()]) and answers(connection) == 2
    # Another process has downloaded the same results.
    assert not Batches(connection, "host", "m").finish("file", [entry(), entry()]) and answers(connection) == 2
    assert batches.under_way({name_of(asked(1))}) == []


def test_a_batch_belongs_to_a_server_and_a_model(connection):
    batches = Batches(connection, "host", "m")
    batches.uploaded("file", [asked(1), asked(2)], 100)
    assert batches.under_way({name_of(asked(3))}) == []
    assert Batches(connection, "elsewhere", "m").under_way({name_of(asked(1))}) == []
    assert Batches(connection, "host", "n").under_way({name_of(asked(1))}) == []
    (batch,) = batches.under_way({name_of(asked(1))})
    assert (batch.batch, batch.made, batch.requests["m-2-0"]) == ("", 100, asked(2))
    batches.created("file", "batch-1")
    assert batches.under_way({name_of(asked(2))})[0].batch == "batch-1"


def test_results_that_cannot_be_written_leave_the_batch_under_way(connection):
    batches = Batches(connection, "host", "m")
    batches.uploaded("file", [asked(1)], 100)
    connection.execute("CREATE TRIGGER full BEFORE INSERT ON answers BEGIN SELECT RAISE(ABORT, 'full'); END")
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        batches.finish("file", [entry()])
    assert batches.under_way({name_of(asked(1))})
