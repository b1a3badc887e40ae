"""Memory stays flat, however many answers come in: `make bench-llm` asks 100,000, this test 4,000 long ones."""

from async_server import AsyncServer
from llm_memory import answering_at_length, while_asking


def test_answers_are_not_held_while_others_are_asked_for(tmp_path):
    """80 MB of text, of which pending responses and those not yet on disk are a small part."""
    with AsyncServer(answering_at_length(20_000)) as server:
        taken, held = while_asking(server.url, tmp_path, 4000)
    assert taken[-1] - taken[0] < 20, taken
    assert 80 < held < 80 * 1.5, "the answers themselves"
