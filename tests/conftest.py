"""Fixtures that several tests share."""

from collections import Counter
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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests/workflow/test_reruns.py counted, over all workers."""
    reports = [r for found in terminalreporter.stats.values() for r in found if isinstance(r, pytest.TestReport)]
    counted = [value for r in reports if r.when == "call" for name, value in r.user_properties if name == "rerun"]
    if counted:
        tried = Counter(kind for kind, _, _ in counted)
        needless, missed = (sum(counts) for counts in zip(*(c[1:] for c in counted), strict=True))
        told = ", ".join(f"{number} {kind}" for kind, number in sorted(tried.items()))
        terminalreporter.write_line(
            f"Reruns: {len(counted)} changes tried ({told}); jobs rerun needlessly: {needless}, jobs missed: {missed}"
        )
