"""`make check` on an empty, a half-configured and a complete site, each as a user would run it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pytest_httpserver import HTTPServer
from runs import ROOT, dry_run, header_only, overlay, snakemake, succeeded
from slurm_cluster import cluster, unavailable
from slurm_cluster import slurm as slurm_command

from clinragen.workflow.slurm import Request, Resources, refusal

NOTHING = {"OPENAI_API_KEY": "", "ENTREZ_EMAIL": "", "HF_ENDPOINT": "http://127.0.0.1:9"}
OFFLINE = {"endpoint": "http://127.0.0.1:9"}  # nothing listens on this port
SCONTROL = """PartitionName=cpu Default=YES MaxTime=7-00:00:00 State=UP TRES=cpu=8,mem=64000M
PartitionName=gpu Default=NO MaxTime={limit} State=UP TRES=cpu=8,mem=64000M
"""


@pytest.fixture
def programs(tmp_path) -> Path:
    """A directory of stand-ins for the programs of SLURM."""
    directory = tmp_path / "bin"
    directory.mkdir()
    slurm(directory)
    return directory


def slurm(directory: Path, limit: str = "2-00:00:00", most_memory: int = 64000) -> None:
    """Write a SLURM stand-in that accepts jobs up to a memory in MB and records its arguments."""
    script(directory / "scontrol", f"cat <<'END'\n{SCONTROL.format(limit=limit)}END")
    script(
        directory / "sbatch",
        f'echo "$@" >> {directory}/asked\n'
        'while [ $# -gt 0 ]; do [ "$1" = --mem ] && memory=$2; shift; done\n'
        f"[ $memory -le {most_memory} ] || {{ echo 'allocation failure: no such node' >&2; exit 1; }}",
    )


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def check(settings: dict, directory: Path, path: str, **environment: str) -> tuple[int, list[str], str]:
    """Return exit status, result lines and the whole output."""
    overlay = directory / "local.yaml"
    results = {"pathvars": {"results": str(directory / "results")}}
    overlay.write_text(yaml.safe_dump(results | settings), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "scripts/check.py", "--profile", "slurm", "--configfile", overlay],
        cwd=ROOT,
        env=os.environ | NOTHING | {"PATH": path} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    lines = [line for line in run.stdout.splitlines() if re.match("(ok|skipped|warning|problem) ", line)]
    return run.returncode, lines, run.stdout


def having(status: str, lines: list[str]) -> str:
    return "\n".join(line for line in lines if line.startswith(status))


@pytest.fixture
def servers(httpserver: HTTPServer) -> HTTPServer:
    """The teacher's server, NCBI and Wikipedia."""
    httpserver.expect_request("/v1/models").respond_with_json({"data": [{"id": "teacher-7b"}, {"id": "other"}]})
    httpserver.expect_request("/entrez").respond_with_data("fine")
    httpserver.expect_request("/wiki").respond_with_data("fine")
    return httpserver


@pytest.fixture
def complete(tmp_path, servers) -> dict:
    """Settings of a site that has everything."""
    model = tmp_path / "flan"
    model.mkdir()
    config = {"model_type": "t5", "decoder_start_token_id": 0}
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (model / "tokenizer.json").write_text("{}", encoding="utf-8")
    (model / "model.safetensors").write_bytes(b"0" * 1000)
    for name in ("mimic3", "mimic4"):
        header_only(tmp_path / name, name)
    return {
        "datasets": {name: {"raw": f"{tmp_path}/{name}"} for name in ("mimic3", "mimic4")},
        "knowledge": {
            "pubmed": {"endpoint": servers.url_for("/entrez"), "email": "me@example.org"},
            "wikipedia": {"endpoint": servers.url_for("/wiki")},
        },
        "llms": {"chatgpt": {"model": "teacher-7b"}},
        "llm_transport": {"chatgpt": {"base_url": servers.url_for("/v1"), "data_use": "local-server"}},
        "backbones": {name: {"source": str(model)} for name in ("flan-t5-small", "flan-t5-large")},
        # Gated, and as large as its requests.
        "models": {"llama-ft": None},
        # Of the rows that are asked only the one on the server above.
        "asked": dict.fromkeys(("llama-zero-shot", "mistral-five-shot", "llama2-five-shot", "llama3-five-shot"), None),
        "evaluate": {"judge": {"llms": ["chatgpt"]}, "bertscore": None},
    }


def test_an_empty_site_gets_every_problem_with_its_remedy(tmp_path):
    quick = {"knowledge": {"pubmed": OFFLINE, "wikipedia": OFFLINE}}
    status, lines, printed = check(quick, tmp_path, path=without_slurm(tmp_path))
    assert status == 1
    problems = having("problem", lines)
    for text in (
        "datasets.mimic3.raw is not set",
        "datasets.mimic4.raw is not set",
        "llm_transport.chatgpt.data_use: none does not permit",
        "OPENAI_API_KEY",
        "knowledge.pubmed.email",
        "knowledge.wikipedia.endpoint: does not respond",
        "backbones.flan-t5-small: http://127.0.0.1:9 does not respond",
    ):
        assert text in problems, text
    assert "sbatch not found" in having("skipped", lines)
    assert printed.splitlines()[-1].startswith("Not ready: ")


def test_a_partition_that_would_refuse_jobs_stops_a_run_before_its_first_job(complete, programs, tmp_path):
    slurm(programs, limit="0-01:00:00")
    local = overlay(tmp_path / "local.yaml", tmp_path / "results", **complete)
    surroundings = NOTHING | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "OPENAI_API_KEY": "x"}
    arguments = ("--profile", "slurm", "all", "--configfile", local)
    succeeded(dry_run(*arguments, **surroundings))  # which submits nothing
    run = snakemake(*arguments, **surroundings)
    assert run.returncode == 1 and not (programs / "asked").exists()
    assert re.search("^  - SLURM train_phase1.*: 1440 minutes exceed the limit of partition gpu", run.stdout, re.M)
    assert "Building DAG" not in run.stdout


def without_slurm(directory: Path) -> str:
    """A search path with what Snakemake and git need, and no SLURM."""
    (directory / "only").mkdir()
    for program in ("bash", "git", "which"):
        (directory / "only" / program).symlink_to(shutil.which(program))
    return str(directory / "only")


def test_a_half_configured_site_gets_the_remaining_problems(tmp_path, complete, programs, servers):
    slurm(programs, limit="12:00:00", most_memory=4400)
    header_only(tmp_path / "mimic4", "mimic4", without="anchor_age")
    complete["datasets"]["mimic3"]["release"] = "1.4"
    complete["llms"]["chatgpt"]["model"] = "teacher-70b"
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert/config.json").write_text(json.dumps({"model_type": "bert"}), encoding="utf-8")
    (tmp_path / "bert/model.safetensors").touch()
    complete["backbones"]["flan-t5-large"]["source"] = str(tmp_path / "bert")
    status, lines, printed = check(complete, tmp_path, f"{programs}:{os.environ['PATH']}")
    assert status == 1, printed
    problems = having("problem", lines)
    for text in (
        "anchor_age",
        "1.4 is configured; correct datasets.mimic3.release",
        "does not list teacher-70b (llms.chatgpt.model); it lists other, teacher-7b",
        "is of model_type bert",
        "1440 minutes exceed the limit of partition gpu (720 minutes)",
        "sbatch refuses 4500 MB",
    ):
        assert text in problems, printed
    assert "NCBI" not in problems and "SLURM benchmark_export: 2000 MB" in having("ok", lines)


def test_a_complete_site_is_ready(tmp_path, complete, programs, servers):
    status, lines, printed = check(complete, tmp_path, f"{programs}:{os.environ['PATH']}", OPENAI_API_KEY="sk-x")
    assert status == 0 and not having("problem", lines), printed
    assert printed.splitlines()[-1].startswith("Ready: 0 problem(s)")
    assert "127.0.0.1 lists teacher-7b" in printed or "localhost lists teacher-7b" in printed
    assert "sk-x" not in printed
    asked = (programs / "asked").read_text(encoding="utf-8").splitlines()
    assert all("--test-only" in line for line in asked)
    (training,) = [line for line in asked if "rule_train_phase1" in line]
    for option in ("-p gpu", "-t 1440", "--mem 24000", "--gpus=1"):
        assert option in training
    assert not (tmp_path / "results").exists()
    requests = [request for request, _ in servers.log]
    assert {request.path for request in requests} == {"/v1/models", "/entrez", "/wiki"}
    assert {r.headers.get("Authorization") for r in requests if r.path != "/v1/models"} == {None}
    assert [r.headers["Authorization"] for r in requests if r.path == "/v1/models"] == ["Bearer sk-x"]
    assert all(request.method == "GET" and not request.get_data() for request in requests)


@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
def test_slurm_accepts_what_it_has_and_refuses_what_it_has_not(tmp_path):
    def asked(**resources):
        return refusal(Request("train_phase1", False, 1, Resources(runtime=60, slurm_partition="gpu", **resources)))

    with cluster(tmp_path):
        assert asked(mem_mb=24000, gpu=1) is None
        for too_much in ({"mem_mb": 10**9}, {"mem_mb": 1000, "gpu": 99}, {"mem_mb": 1000, "gpu": 1, "gpu_model": "no"}):
            assert asked(**too_much), too_much
        assert slurm_command("squeue", "-h") == "", "nothing was submitted"


def test_a_configuration_that_is_missing_or_invalid_is_named(tmp_path):
    (tmp_path / "wrong.yaml").write_text("seeds: []\n", encoding="utf-8")
    for file, words in (("no/such.yaml", "no/such.yaml"), (tmp_path / "wrong.yaml", "seeds: ")):
        command = [sys.executable, "scripts/check.py", "--configfile", file]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert run.returncode == 1 and words in run.stderr and "Traceback" not in run.stderr
