"""A model that jobs serve themselves: a real server, of transformers, through the rules that use vLLM elsewhere."""

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
import yaml
from runs import ROOT, overlay, records, snakemake, succeeded
from tiny_chat import build_tiny_chat

from clinragen.llm.journal import FILE
from clinragen.schemas.predictions import PREDICTIONS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A directory with a tiny model, and settings by which jobs serve it."""
    directory = tmp_path_factory.mktemp("served")
    texts = [
        p.read_text(encoding="utf-8") for p in (ROOT / "resources").rglob("*") if p.suffix in (".txt", ".md", ".yaml")
    ]
    build_tiny_chat(texts, directory / "model")
    settings = {
        "answers": str(directory / "answers"),
        "demo": {"patients": {"mimic3": 20}},
        "llms": {"tiny": {"model": str(directory / "model")}},
    }
    overlay(directory / "site.yaml", directory / "results", **settings)
    return directory


NOTES = "mimic3/rationale/tiny/notes.parquet"
ASKED = "mimic3/asked/llama-zero-shot/predictions.parquet"


def run(site: Path, *arguments: str, targets: tuple[str, ...] = (NOTES,)) -> str:
    configuration = ("config/demo.yaml", "tests/served.yaml", site / "site.yaml")
    paths = [site / "results" / target for target in targets]
    return succeeded(snakemake("--cores", "2", *arguments, "--configfile", *configuration, "--", *paths))


def processes() -> list[str]:
    return [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]


def test_a_real_server_is_started_by_the_job_asked_and_ended(site):
    printed = run(site, targets=(NOTES, ASKED))
    assert "rationale_notes_served" in printed and "llm_weights" in printed and "asked_predict_served" in printed
    table = pq.read_table(site / "results/mimic3/rationale/tiny/notes.parquet")
    assert table.num_rows > 10 and all(text for text in table["text"].to_pylist())
    record = records(site / "results")[str(site / "results/mimic3/rationale/tiny/notes.parquet")]
    assert record["rule"] == "rationale_notes" and "template LLM" not in record["stand_ins"]
    weights = {used["path"]: used for used in record["inputs"]}[str(site / "results/llms/tiny")]
    assert weights["made_by"] == "llm_weights" and "model.safetensors" in weights["files"]
    (model,) = record["facts"]["models"]
    assert model.startswith(f"{site / 'model'}, served as {site / 'model'}")
    log = next((site / "results/logs/rationale_notes").glob("*.log")).read_text(encoding="utf-8")
    assert "tiny: the server is ready after" in log
    with sqlite3.connect(site / "answers" / FILE) as journal:
        (tokens,) = journal.execute("SELECT MIN(prompt_tokens) FROM answers").fetchone()
    assert tokens > 100
    # A random model names no disease; each of its answers is kept and marked.
    answers = PREDICTIONS.read(site / "results" / ASKED).to_pylist()
    assert answers and {row["status"] for row in answers} <= {"good", "flawed"}
    assert all(row["output"] and row["readable"] is not None and len(row["requests"]) == 1 for row in answers)
    assert not [line for line in processes() if str(site / "model") in line]
    assert list((site / "answers/servers").iterdir()) == []


def test_answers_that_are_kept_need_no_server(site):
    """A rerun after a change of code, on a machine without a GPU, costs nothing."""
    other = yaml.safe_load((site / "site.yaml").read_text(encoding="utf-8"))
    other["llm_transport"] = {"tiny": {"server": {"command": ["no-such-program", "{port}"]}}}
    configuration = ("config/demo.yaml", "tests/served.yaml", str(site / "site.yaml"))
    why = [sys.executable, "scripts/why.py", "--configfile", *configuration, "--rule", "rationale_notes_served"]
    path = str(site / "results/mimic3/rationale/tiny/notes.parquet")
    printed = subprocess.run([*why, "--", path], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed == "Nothing to be done for rationale_notes_served.\n"
    before = records(site / "results")
    (site / "site.yaml").write_text(json.dumps(other), encoding="utf-8")
    run(site, "--forcerun", "rationale_notes_served")
    after = records(site / "results")
    assert after[path]["started"] > before[path]["started"]
    assert after[path]["output"]["sha256"] == before[path]["output"]["sha256"]


def test_answers_belong_to_the_weights_wherever_they_lie(site):
    """Without a server no request can be answered."""
    path = str(site / "results/mimic3/rationale/tiny/notes.parquet")
    before = records(site / "results")[path]
    settings = json.loads((site / "site.yaml").read_text(encoding="utf-8"))
    shutil.copytree(site / "model", site / "moved")
    settings["llms"]["tiny"]["model"] = str(site / "moved")
    (site / "site.yaml").write_text(json.dumps(settings), encoding="utf-8")
    assert "llm_weights" in run(site)
    moved = records(site / "results")[path]
    assert moved["started"] > before["started"] and moved["output"]["sha256"] == before["output"]["sha256"]
    # Other weights under the same name would be asked, about every stay.
    config = site / "moved/generation_config.json"
    config.write_text(json.dumps(json.loads(config.read_text(encoding="utf-8")) | {"top_k": 7}), encoding="utf-8")
    configuration = ("config/demo.yaml", "tests/served.yaml", site / "site.yaml")
    failed = snakemake("--cores", "2", "--configfile", *configuration, "--", path)
    log = next((site / "results/logs/rationale_notes").glob("*.log")).read_text(encoding="utf-8")
    assert failed.returncode != 0 and "the program no-such-program is not found" in log
