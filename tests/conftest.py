"""Fixtures that several tests share."""

import importlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import pytest
from demo import Demo, built_once
from fork_python import forking_python
from openai_server import OpenAIServer
from pytest_httpserver import HTTPServer
from runs import ROOT

# As in a job of one thread: the threads of several workers would wait for each other, at twice the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# As in a plain shell: under `make test`, the `make` of a test would add "Leaving directory" to what it prints.
for inherited in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS"):
    os.environ.pop(inherited, None)
# Deadlines would measure the machine, not the code.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


# Snakemake converts the records of an old version if `metadata` exists without `incomplete`, and fails if two runs do
# so at once. In a fresh clone a second run may find the directories of the first one half created.
SNAKEMAKE_RECORDS = ("incomplete", "metadata")

# Modules whose fixtures take a minute or more.
HEAVY = ("test_reproducible.py", "test_train_deepspeed.py")


def pytest_configure() -> None:
    """Prepare the checkout for the first runs of Snakemake, which several workers start at the same time."""
    for name in SNAKEMAKE_RECORDS:
        (ROOT / ".snakemake" / name).mkdir(parents=True, exist_ok=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests that read the finished demo as slow: building it takes five minutes of CPU time."""
    if "demo" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.slow)


@pytest.hookimpl(trylast=True)  # after tests have been deselected by their marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put long tests at the head of a worker's share: tests that wait for SLURM, one after another; one that builds the
    shared demo; the heavy modules. Users of the demo come last, and before them the tests of test_reproducible.py
    except the first, because they would wait for the runs that the first one makes.

    pytest-xdist gives each worker an equal share of the items and lets idle workers take from the ends of the others.
    """
    users = [item for item in items if "demo" in item.fixturenames]
    waiting = [item for item in items if item.path.name == "test_reproducible.py"][1:]
    heads = [
        [item for item in items if "slurm" in item.nodeid],
        users[:1],
        [item for item in items if item.path.name in HEAVY and item not in waiting],
    ]
    taken = {item for head in heads for item in head}
    order = {item: place for place, late in enumerate((waiting, users), 1) for item in late}
    ordered = sorted((item for item in items if item not in taken), key=lambda item: order.get(item, 0))
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    for number, head in enumerate(heads):
        start = min(number, workers - 1) * (len(items) // workers)
        ordered[start:start] = head
    items[:] = ordered


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all workers of pytest share."""
    directory = tmp_path_factory.getbasetemp()
    return directory.parent if "PYTEST_XDIST_WORKER" in os.environ else directory


@pytest.fixture(scope="session")
def fork_python() -> Path:
    """A Python executable that has imported the heavy libraries before it is called; see tests/fork_python.py."""
    return forking_python()


@pytest.fixture(scope="session")
def demo(shared: Path, request: pytest.FixtureRequest) -> Demo:
    """The finished demo, built once for all workers and never changed."""
    return built_once(shared, lambda: request.getfixturevalue("fork_python"))


@pytest.fixture(scope="session")
def demo_copy(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with the finished demo for this worker alone; tests undo their changes."""
    directory = tmp_path_factory.mktemp("demo") / "checkout"
    shutil.copytree(demo.checkout, directory, symlinks=True)
    return directory


@pytest.fixture(scope="session")
def make_httpserver() -> Iterator[HTTPServer]:
    """The plugin's server with a thread per request, because some tests keep a request waiting."""
    server = HTTPServer(threaded=True)
    server.start()
    yield server
    server.clear()
    if server.is_running():
        server.stop()


@pytest.fixture
def openai_server(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> OpenAIServer:
    """A scripted server of the OpenAI protocol; waits between attempts are cut short."""
    monkeypatch.setattr("clinragen.llm.run.FIRST_WAIT", 0.01)
    return OpenAIServer(httpserver)


@pytest.fixture
def public_services_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests to PubMed and Wikipedia without pauses, and without the API key of the person who runs the tests."""
    monkeypatch.delenv("NCBI_API_KEY", raising=False)
    monkeypatch.setattr("clinragen.knowledge.service.FIRST_WAIT", 0.01)
    monkeypatch.setattr("clinragen.knowledge.pubmed.INTERVAL", 0.0)
    monkeypatch.setattr("clinragen.knowledge.pubmed.INTERVAL_WITH_KEY", 0.0)
    wikipedia = importlib.import_module("clinragen.knowledge.wikipedia")
    monkeypatch.setattr(wikipedia, "SERVICE", replace(wikipedia.SERVICE, interval=0.0))
    # Biopython's own pause.
    monkeypatch.setattr("Bio.Entrez.time", SimpleNamespace(time=time.time, sleep=lambda seconds: None))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the totals of tests/workflow/test_reruns.py over all workers."""
    reports = [r for each in terminalreporter.stats.values() for r in each if isinstance(r, pytest.TestReport)]
    reruns = [value for r in reports if r.when == "call" for name, value in r.user_properties if name == "rerun"]
    if reruns:
        changes = Counter(kind for kind, _, _ in reruns)
        needless, missed = (sum(counts) for counts in zip(*(numbers for _, *numbers in reruns), strict=True))
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(changes.items()))
        terminalreporter.write_line(
            f"Reruns: {len(reruns)} changes tried ({kinds}); jobs rerun needlessly: {needless}, jobs missed: {missed}"
        )
