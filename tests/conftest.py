"""Fixtures that several tests share."""

from collections.abc import Iterator

import pytest
from openai_server import OpenAIServer
from pytest_httpserver import HTTPServer


@pytest.fixture(scope="session")
def make_httpserver() -> Iterator[HTTPServer]:
    """The plugin's server with a thread per request: some tests keep one waiting."""
    server = HTTPServer(threaded=True)
    server.start()
    yield server
    server.clear()
    if server.is_running():
        server.stop()


@pytest.fixture
def openai_server(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> OpenAIServer:
    """A scripted server of the OpenAI protocol; waits between attempts are cut short."""
    monkeypatch.setattr("clinragen.llm.client.FIRST_WAIT", 0.01)
    return OpenAIServer(httpserver)
