"""Killed and concurrent processes, and full disks: no answer is lost, and few are paid for twice."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from async_server import AsyncServer, answering
from unit.test_llm_ask import asked, entries, requests

from clinragen.llm.journal import FILE

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

WORKER = """
import resource, signal, sys
from pathlib import Path
from unit.test_llm_ask import good, model, requests
first, last, url, answers, size = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), int(sys.argv[5])
if size:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
texts, _ = model(url, answers, concurrency=8).ask(requests(last)[first:], "mimic3", [], good)
print(len(texts))
"""


def start(numbers: tuple[int, int], url: str, answers: Path, size: int = 0) -> subprocess.Popen:
    tests = str(SCRIPTS.parent / "tests")
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, *map(str, (*numbers, url, answers, size))],
        env={**os.environ, "PYTHONPATH": f"{SCRIPTS}{os.pathsep}{tests}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_kill_nine_at_twenty_moments_loses_no_answer(tmp_path):
    """Each run makes progress, and its recorded answers are not requested again."""
    number, moments = 1000, random.Random(1)
    with AsyncServer(answering(0.02)) as server:
        for _ in range(20):
            before = len(server.bodies)
            process = start((0, number), server.url, tmp_path)
            while len(server.bodies) < before + moments.randrange(1, 40) and process.poll() is None:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.wait()
        answers = asked(server, tmp_path, requests(number), concurrency=8)
        prompts = server.prompts
    assert [a.text for a in answers] == [f"answer to prompt {i}" for i in range(number)]
    # In progress are the requests of 8 workers, and the answers that are not yet on disk.
    assert len(prompts) - len(set(prompts)) <= 20 * 2 * 8
    assert len(entries(tmp_path)) == number


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_loses_nothing_and_repeats_nothing(number, tmp_path):
    with AsyncServer(answering(0.1)) as server:
        process = start((0, 200), server.url, tmp_path)
        while len(server.bodies) < 60:
            time.sleep(0.005)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == 1 and f"interrupted by {number.name}" in stderr
        asked_before = len(server.bodies)
        assert len(entries(tmp_path)) == asked_before < 100
        asked(server, tmp_path, requests(200), concurrency=8)
        assert sorted(server.prompts) == sorted(f"prompt {i}" for i in range(200))


def test_a_second_signal_ends_the_process_without_waiting(tmp_path):
    with AsyncServer(answering(60)) as server:
        process = start((0, 20), server.url, tmp_path)
        while len(server.bodies) < 8:
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert process.poll() is None, "the first signal waits for the requests that were sent"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=3) == -signal.SIGTERM
        process.communicate()


def test_concurrent_stages_and_overlays_send_few_duplicates(tmp_path):
    """Two processes send the same requests, one half of them, and one others."""
    with AsyncServer(answering(0.03)) as server:
        parts = [(0, 300), (0, 300), (150, 300), (300, 400)]
        processes = [start(part, server.url, tmp_path) for part in parts]
        outputs = [process.communicate(timeout=120) for process in processes]
        prompts = server.prompts
    assert [out.strip() for out, _ in outputs] == ["300", "300", "150", "100"], outputs
    # A later process may hold 8 sent, 8 queued and 16 looked-up requests, and answers may not be on disk yet.
    assert len(set(prompts)) == 400 and len(prompts) <= 400 + 3 * 60


def test_a_full_disk_ends_in_a_message(tmp_path):
    with AsyncServer(answering(0.0)) as server:
        process = start((0, 3000), server.url, tmp_path, size=40_000)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 1 and f"{FILE}: " in stderr.splitlines()[-1], stderr
        assert "free up space" in stderr.splitlines()[-1]
        assert len(server.bodies) < 3000
        kept = len(entries(tmp_path))
        answers = asked(server, tmp_path, requests(300), concurrency=8)
    assert kept > 0 and len(answers) == 300
