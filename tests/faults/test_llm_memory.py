"""Memory stays flat, with any number of answers: `make bench-llm` asks 100,000, this test 4,000 long ones."""

from async_server import AsyncServer
from llm_memory import answering_at_length, while_asking


def test_memory_does_not_grow_with_the_answers(tmp_path):
    """80 MB of text, of which only a small part is in progress or not yet on disk."""
    with AsyncServer(answering_at_length(20_000)) as server:
        taken, held = while_asking(server.url, tmp_path, 4000)
    assert taken[-1] - taken[0] < 20, taken
    assert 80 < held < 80 * 1.5, "the answers themselves"
