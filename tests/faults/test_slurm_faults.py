"""Faults of jobs on a real cluster of one node; docs/cluster.md has the table."""

import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from runs import (
    ROOT,
    SMALL,
    checkpoints,
    copy_of_checkout,
    jobs,
    overlay,
    path_with,
    records,
    snakemake,
    started,
    succeeded,
)
from slurm_cluster import GPUS, PROFILE, Cluster, cluster, slurm, submit, submitting, unavailable, wait_for

from clinragen.provenance.record import describe

pytestmark = [pytest.mark.slow, pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))]

# Seconds, on a machine that is busy with other work.
WAIT = 400
DEMO = ("--configfile", "config/demo.yaml", "small.yaml")
SETTINGS = SMALL | {"datasets": {"mimic4": None}, "train": {"phase1": {"epochs": 40, "patience": 40}}}
TRAIN = "results/small/mimic3/train"
PHASE1 = {seed: f"{TRAIN}/flan-t5-small/diagnoses/seed{seed}/phase1" for seed in (1, 2)}


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A running cluster."""
    with cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(fork_python, tmp_path_factory) -> Path:
    """A checkout with two undisturbed trainings, made without the cluster, in forks."""
    checkout = copy_of_checkout(tmp_path_factory.mktemp("undisturbed"))
    overlay(checkout / "small.yaml", "results/small", **SETTINGS)
    arguments = ("--cores", "2", "--quiet", "all", "--", *PHASE1.values())
    succeeded(snakemake(*DEMO, *arguments, cwd=checkout, PATH=path_with(fork_python.parent)))
    return checkout


@pytest.fixture
def checkout(undisturbed, tmp_path) -> Path:
    """The same checkout before the trainings."""
    shutil.copytree(undisturbed, tmp_path / "checkout")
    for model in PHASE1.values():
        shutil.rmtree(tmp_path / "checkout" / Path(model).parent)
    return tmp_path / "checkout"


def running(checkout: Path, seed: int) -> str:
    """Return the number of a training's running SLURM job, once it has written two checkpoints."""
    directory = checkout / Path(PHASE1[seed]).parent
    wait_for(lambda: len(checkpoints(directory)) > 1, WAIT)
    (job,) = jobs_of(seed)
    return job


def jobs_of(seed: int) -> list[str]:
    """Return the numbers of a training's running SLURM jobs; their comments name the rule and wildcards."""
    lines = slurm("squeue", "-h", "-t", "RUNNING", "-o", "%i %k").splitlines()
    name = f"rule_train_phase1_wildcards_mimic3_flan-t5-small_diagnoses__{seed}"
    return [line.split()[0] for line in lines if line.endswith(f" {name}")]


def restarts(job: str) -> int:
    """Return how often SLURM itself has restarted the job."""
    return int(re.search(r"Restarts=(\d+)", slurm("scontrol", "show", "job", job))[1])


def memory(job: str) -> int:
    """Return the memory in MB that the job requests."""
    return int(re.search(r"TRES=.*mem=(\d+)M", slurm("scontrol", "show", "job", job))[1])


def start_again(job: str) -> None:
    """Shorten the two minutes that SLURM makes a requeued job wait, once the order to end its first start is out."""
    wait_for(lambda: slurm("squeue", "-h", "-j", job, "-o", "%r") == "BeginTime", WAIT)
    slurm("scontrol", "update", f"JobId={job}", "StartTime=now+10seconds")


def same_as_undisturbed(checkout: Path, undisturbed: Path, seed: int) -> bool:
    """Return whether a training is complete, as recorded, and has the same bits as the undisturbed one."""
    made, expected = (records(c / "results/small")[PHASE1[seed]]["output"] for c in (checkout, undisturbed))
    assert "model.safetensors" in {Path(name).name for name in made["files"]}
    assert describe(checkout / PHASE1[seed])["sha256"] == made["sha256"]
    assert not list((checkout / TRAIN).rglob(".tmp-*"))
    return made["sha256"] == expected["sha256"]


def log_of(checkout: Path, seed: int) -> str:
    log = f"results/small/logs/train_phase1/mimic3-flan-t5-small-diagnoses-seed{seed}.log"
    return (checkout / log).read_text(encoding="utf-8")


def submitted(output: str) -> list[str]:
    return re.findall(r"has been submitted with SLURM jobid (\d+)", output)


def test_a_cancelled_job_is_sent_again_and_a_preempted_one_starts_again_both_from_their_checkpoints(
    node, checkout, undisturbed
):
    output = checkout / "output.txt"
    run = submitting(*DEMO, "--", *PHASE1.values(), cwd=checkout, output=output)
    cancelled = running(checkout, 1)
    slurm("scancel", cancelled)
    preempted = running(checkout, 2)
    urgent = slurm("sbatch", "--parsable", "-p", "urgent", f"--gpus={len(GPUS)}", "-o", "/dev/null", "--wrap", "true")
    start_again(preempted)
    assert run.wait(WAIT) == 0, output.read_text()
    assert restarts(preempted) == 1 and restarts(urgent) == 0
    first, second, again = submitted(output.read_text())
    assert {first, second} == {cancelled, preempted} and again not in (first, second)
    assert memory(again) == 2 * memory(cancelled)
    for seed in PHASE1:
        assert "resuming from" in log_of(checkout, seed)
        assert same_as_undisturbed(checkout, undisturbed, seed)


def test_snakemake_killed_and_started_again_while_its_job_runs_on(node, checkout, undisturbed):
    arguments, output = (*DEMO, "--", PHASE1[1]), checkout / "output.txt"
    run = submitting(*arguments, cwd=checkout, output=output)
    orphan = running(checkout, 1)
    slurm("scontrol", "suspend", orphan)  # else it might end before the next one comes
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert "--unlock" in submit(*arguments, cwd=checkout).stdout
    succeeded(submit(*arguments[:-2], "--unlock", cwd=checkout))
    run = submitting(*arguments, cwd=checkout, output=output)
    (again,) = wait_for(lambda: jobs_of(1), WAIT)
    slurm("scontrol", "resume", orphan)
    assert run.wait(WAIT) == 0, output.read_text()
    assert again != orphan and submitted(output.read_text())[0] == again
    wait_for(lambda: not jobs_of(1), WAIT)
    assert same_as_undisturbed(checkout, undisturbed, 1)
    assert "Nothing to be done" in succeeded(submit(*arguments, cwd=checkout))


def test_a_job_outlives_the_daemon_of_its_node_and_starts_again_when_the_node_is_lost(
    node: Cluster, checkout, undisturbed
):
    output = checkout / "output.txt"
    run = submitting(*DEMO, "--", PHASE1[1], cwd=checkout, output=output)
    job = running(checkout, 1)
    node.kill("slurmd")
    node.start("slurmd")
    node.wait_until_up()
    assert jobs_of(1) == [job] and restarts(job) == 0
    node.cut_power()
    # SLURM would find out by itself after SlurmdTimeout.
    name = slurm("sinfo", "-h", "-N", "-p", "gpu", "-o", "%N")
    slurm("scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=lost")
    wait_for(lambda: not jobs_of(1), WAIT)
    node.start("slurmd")
    node.wait_until_up()
    start_again(job)
    assert run.wait(WAIT) == 0, output.read_text()
    assert restarts(job) == 1 and submitted(output.read_text()) == [job]
    assert "resuming from" in log_of(checkout, 1)
    assert same_as_undisturbed(checkout, undisturbed, 1)


@pytest.mark.parametrize("asked", [{"request": {"memory_mb": 10**8}}, {"launch": {"processes": 2 * len(GPUS)}}])
def test_a_request_that_no_node_can_fulfil_is_refused_at_once_and_the_refusal_is_the_last_thing_shown(
    node, checkout, asked
):
    assert "train_phase1: done in" in log_of(checkout, 1)  # of the training whose outputs are removed
    overlay(checkout / "small.yaml", "results/small", **SETTINGS | {"train": asked})
    run = submit(*DEMO, "--", PHASE1[1], cwd=checkout)
    assert run.returncode == 1
    assert submitted(run.stdout) == [] and jobs(run.stdout) == {"train_phase1": 1}
    assert "Error in rule train_phase1" in run.stdout and "done in" not in run.stdout
    last = run.stdout[run.stdout.index("Elapsed time") :]
    assert "Error in rule train_phase1" in last and "SLURM sbatch failed" in last and "sbatch call" not in last


TOY = """
import sys
sys.path.insert(0, {scripts!r})
from clinragen.runner import screen
from clinragen.runner.failures import limit_retries
from snakemake.logging import logger

limit_retries()

rule works:
    output: "works.txt"
    resources: mem_mb=100, runtime=5
    shell: "sleep 3; touch {{output}}"

rule reports:
    output: "never-1.txt"
    log: "reports.log"
    retries: 2
    resources: mem_mb=100, runtime=5
    shell: "echo x >> reports.txt; echo '12:00:00 ERROR step: x.csv: not a gzip file' > {{log}}; exit 2"

rule crashes:
    output: "never-2.txt"
    log: "crashes.log"
    retries: 1
    resources: mem_mb=100, runtime=5
    shell: "echo x >> crashes.txt; echo Traceback > {{log}}; exit 1"

onstart:
    screen.show(logger, 2)
"""


def toy(directory: Path) -> Path:
    """A directory with a workflow of three small rules, the profile of this repository, and a faulty `squeue`.

    `squeue` fails while the file `outage` exists, and appends a line to `calls` each time.
    """
    shutil.copytree(ROOT / "slurm", directory / "slurm")
    (directory / "Snakefile").write_text(TOY.format(scripts=str(ROOT / "scripts")), encoding="utf-8")
    (directory / "bin").mkdir()
    shim = directory / "bin/squeue"
    lines = ("#!/bin/sh", f"echo >> {directory}/calls", f"[ -e {directory}/outage ] && exit 1")
    shim.write_text("\n".join([*lines, f'exec {shutil.which("squeue")} "$@"', ""]), encoding="utf-8")
    shim.chmod(0o755)
    return directory


def calls(directory: Path) -> int:
    """How often the faulty `squeue` was called."""
    return len((directory / "calls").read_text().splitlines()) if (directory / "calls").exists() else 0


def test_a_controller_that_does_not_answer_for_a_while_is_waited_for(node, tmp_path, monkeypatch):
    """With the defaults of the SLURM executor Snakemake would wait for ever."""
    default = ("--slurm-status-attempts", "5", "--max-status-checks-per-second", "10")
    runs = {}
    for name, options in (("profile", ()), ("default", default)):
        directory = toy(tmp_path / name)
        (directory / "outage").touch()
        with monkeypatch.context() as patch:
            patch.setenv("PATH", f"{directory}/bin:{os.environ['PATH']}")
            runs[name] = started(*PROFILE, *options, "works", cwd=directory, output=directory / "output.txt")
    for name in runs:
        wait_for(lambda name=name: (tmp_path / name / "works.txt").exists(), WAIT)
        wait_for(lambda name=name: calls(tmp_path / name) >= {"profile": 2, "default": 5}[name], WAIT)
    time.sleep(3)
    forgotten = calls(tmp_path / "default")
    for name in runs:
        (tmp_path / name / "outage").unlink()
    assert runs["profile"].wait(60) == 0, (tmp_path / "profile/output.txt").read_text()
    time.sleep(5)
    assert runs["default"].poll() is None and calls(tmp_path / "default") == forgotten
    runs["default"].kill()
    runs["default"].wait()


def test_a_job_whose_step_reports_an_error_is_not_submitted_again_and_one_that_crashes_is(node, tmp_path):
    directory = toy(tmp_path / "toy")
    run = submit("reports", "crashes", cwd=directory)
    assert run.returncode == 1
    attempts = {name: len((directory / f"{name}.txt").read_text().split()) for name in ("reports", "crashes")}
    assert attempts == {"reports": 1, "crashes": 2} and len(submitted(run.stdout)) == 3
    last = run.stdout[run.stdout.index("Elapsed time") :]
    assert "Error in rule reports:\n" in last and "\n    x.csv: not a gzip file\n" in f"{last}\n"
