"""Scripts in forks behave as processes: exit status, streams, signals, and no life beyond their caller."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from fork_python import Forked, forking_python
from runs import ROOT
from slurm_cluster import wait_for

SLEEPS = "import os, time; print(os.getpid(), flush=True); time.sleep(100)"


def script(directory: Path, body: str) -> str:
    """A script where the scripts of rules are."""
    path = directory / "scripts/toy.py"
    path.parent.mkdir()
    path.write_text(body, encoding="utf-8")
    return str(path)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_status_streams_arguments_and_environment_are_those_of_a_process(tmp_path):
    body = "import os, sys; print(sys.argv[1], os.environ['WORD']); print('said', file=sys.stderr); sys.exit(3)"
    command, environment = [forking_python(), script(tmp_path, body), "one"], os.environ | {"WORD": "two"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (3, "one two\n", "said\n")


def test_nothing_of_this_project_is_imported_before_the_script(tmp_path):
    body = "import sys; print([name for name in sys.modules if name.startswith('clinragen')], 'torch' in sys.modules)"
    run = subprocess.run([forking_python(), script(tmp_path, body)], capture_output=True, text=True, check=True)
    assert run.stdout == "[] True\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_reaches_the_process_itself(number, tmp_path):
    process = Forked(forking_python(), [script(tmp_path, SLEEPS)], dict(os.environ))
    assert int(process.stdout.readline()) == process.pid and process.poll() is None
    process.send_signal(number)
    assert process.wait(timeout=60) == process.returncode == -number and not alive(process.pid)


def test_a_script_ends_with_its_caller(tmp_path):
    command = [forking_python(), script(tmp_path, SLEEPS)]
    caller = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    pid = int(caller.stdout.readline())
    assert alive(pid)
    caller.kill()
    caller.wait()
    wait_for(lambda: not alive(pid), 60)
