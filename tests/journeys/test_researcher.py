"""A researcher with access to MIMIC takes the paper's configuration from the README to the tables, on a cluster.

The raw directories hold a few synthetic patients and the language models are tiny, but nothing in the configuration
says so: the workflow treats them as it treats MIMIC and the models of the paper.
"""

import contextlib
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import demo as finished
import pytest
import yaml
from openai_server import OpenAIServer
from public_services import MediaWiki, PubMed
from pytest_httpserver import HTTPServer
from reader import Reader, published
from runs import ROOT, SMALL, jobs, path_with, records
from slurm_cluster import cluster, unavailable
from snakemake.utils import update_config
from teacher import answer

from clinragen.llm.journal import FILE

pytestmark = [pytest.mark.slow, pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))]

LOCAL = Path("config/local.yaml")
RESULTS = Path("results/paper")
# Where the miniature of the demo keeps what an institution has: MIMIC as PhysioNet ships it, and language models.
SHELVES = {
    "mimiciii/1.4": "mimic3/raw",
    "mimiciv/3.1": "mimic4/raw",
    "models/flan-t5": "backbones/flan-t5-small",
    "models/llama": "backbones/llama2-7b",
    "models/roberta": "encoders/roberta-large",
}
OTHER_ROWS = (
    *("clinragen-large", "without-lab-know", "without-know", "without-reasoning", "flan-t5", "clinical-cot"),
    *("clinical-cot-tse", "frozen", "ehr-knowgen", "promptehr", "llama-ft"),
)
TABLE6_ROWS = set(yaml.safe_load((ROOT / "config/table6.yaml").read_text(encoding="utf-8"))["models"]) - {
    "clinragen",
    *OTHER_ROWS,
}
# A first run of one dataset, one row and one seed: the path to the tables is as long as that of the whole matrix.
FIRST = {
    "datasets": {"mimic4": None},
    "models": dict.fromkeys(OTHER_ROWS),
    "rationale": {"shards": 2},
    "seeds": [1],
}
EXTRACT = {"extract_stays", "extract_groups", "extract_diagnoses", "extract_events", "extract_notes"}
TOKENS = {"train_note_tokens", "train_target_tokens"}
ESTIMATED = {f"benchmark_{name}" for name in ("split", "labels", "courses", "samples", "captions")}
GPU = {"train_phase1", "train_phase2", "train_phase3", "evaluate_predict", "evaluate_bertscore"}


@pytest.fixture
def shelves(demo: finished.Demo, tmp_path: Path) -> Path:
    """The disk of an institution: copies without records, so nothing says that these data are synthetic."""
    for target, source in SHELVES.items():
        unknown = shutil.ignore_patterns(".records", "source.json")
        shutil.copytree(demo.checkout / finished.RESULTS / source, tmp_path / "data" / target, ignore=unknown)
    (tmp_path / "data/mimic-iv-note").mkdir()
    (tmp_path / "data/mimiciv/3.1/note").rename(tmp_path / "data/mimic-iv-note/note")
    return tmp_path / "data"


@pytest.fixture
def servers(openai_server: OpenAIServer, httpserver: HTTPServer) -> dict[str, Any]:
    """Settings for servers on this machine: a teacher, which is also the judge, PubMed and Wikipedia."""
    openai_server.reply = lambda prompt: answer(prompt)[1]
    models = [{"id": name} for name in ("gpt-5.4-mini", "gpt-4o-2024-11-20")]
    httpserver.expect_request("/v1/models").respond_with_json({"data": models})
    local = {"base_url": openai_server.url, "data_use": "local-server", "price": {"input": 0.5, "output": 1.5}}
    pubmed = {"email": "me@example.org", "endpoint": PubMed(httpserver).endpoint}
    wikipedia = {"endpoint": MediaWiki(httpserver).endpoint}
    return {
        "llm_transport": {"chatgpt": local, "gpt4": local},
        "knowledge": {"pubmed": pubmed, "wikipedia": wikipedia},
    }


def edit(checkout: Path, *changes: dict[str, Any]) -> None:
    """Edit config/local.yaml."""
    settings = yaml.safe_load((checkout / LOCAL).read_text(encoding="utf-8"))
    for change in changes:
        update_config(settings, change)
    (checkout / LOCAL).write_text(yaml.safe_dump(settings), encoding="utf-8")


def paths(shelves: Path) -> dict[str, Any]:
    """Where data and models are. The numbers of rows are those of no release."""
    flan = {"source": f"{shelves}/models/flan-t5"}
    return {
        "datasets": {
            "mimic3": {"raw": f"{shelves}/mimiciii/1.4", "release": None},
            "mimic4": {"raw": f"{shelves}/mimiciv/3.1", "notes": f"{shelves}/mimic-iv-note", "release": None},
        },
        "backbones": {
            **{"flan-t5-small": flan, "flan-t5-large": flan},
            "llama2-7b": {"source": f"{shelves}/models/llama"},
        },
        "encoders": {"roberta-large": {"source": f"{shelves}/models/roberta"}},
    }


def toy_sizes() -> dict[str, Any]:
    """Sizes and schedules of the demo's miniature, without a GPU."""
    tiny = yaml.safe_load((ROOT / "config/demo.yaml").read_text(encoding="utf-8"))
    sizes = {name: tiny[name] for name in ("student", "train")}
    evaluate = {name: tiny["evaluate"][name] for name in ("cases", "bertscore", "decoding")}
    update_config(
        sizes, {"evaluate": evaluate | {"judge": {"cases": 5, "controls": {"swapped": 5, "wrong_diagnoses": 5}}}}
    )
    update_config(sizes, {name: SMALL[name] for name in ("student", "train", "evaluate")})
    return sizes


def test_a_researcher_gets_from_the_readme_to_the_tables(shelves, servers, fork_python, tmp_path):
    person = Reader(tmp_path, {"PATH": path_with(fork_python.parent), "NCBI_API_KEY": "x"})
    person.does(f"git clone --quiet {published(tmp_path / 'published')} clinragen")
    person.directory = checkout = tmp_path / "clinragen"

    # README, "To the paper's results", step 2: the settings of the site.
    person.types("cp config/local.example.yaml config/local.yaml", "README.md")
    edit(checkout, paths(shelves), servers)
    # Jobs are looked at sooner than on a real cluster, where they take hours.
    (checkout / "profiles/default").mkdir(parents=True)
    (checkout / "profiles/default/config.yaml").write_text("slurm-init-seconds-before-status-checks: 2\n")
    with cluster(tmp_path):
        # Step 3: is everything there? The dry run shows the whole matrix: 12 rows, 5 seeds, 2 datasets.
        assert "Ready: 0 problem(s)" in person.types("make check", "README.md")
        run = "snakemake --profile slurm all --configfile config/local.yaml"
        assert jobs(person.types(f"{run} --dry-run", "docs/cluster.md"))["evaluate_predict"] == 12 * 5 * 2

        # Step 4: what will it cost? Counting the requests needs samples and documents, and sends nothing to a model.
        edit(checkout, toy_sizes(), FIRST)
        person.types("snakemake estimate --profile slurm --configfile config/local.yaml", "README.md")
        assert not answers(checkout)
        estimated = person.types("make estimate", "README.md")
        assert re.search(r"^note_rationale +mimic3 +chatgpt +\d+ +0 +[1-9]", estimated, re.MULTILINE)

        # Step 5: the same settings on generated files, of which there are fewer here. Nothing is sent.
        edit(checkout, {"models": dict.fromkeys(TABLE6_ROWS)})
        rehearsal = "make rehearsal SHARE=0.02 SITE=config/local.yaml PROFILE=slurm DEVICE=cuda"
        shown = person.types(rehearsal, "README.md", also="SHARE=0.001 DEVICE=cpu DATASETS=mimic3")
        assert re.search(r"^train_phase3 +1 ", shown, re.MULTILINE)
        assert slurm_job(records(checkout / "results/rehearsal-0.001"), "train_phase3")
        assert not answers(checkout)

        # Step 6, on the login node; a second run does nothing.
        person.types(run, "README.md")
        assert answers(checkout)
        assert "Nothing to be done" in person.types(run, "README.md")

    outputs = records(checkout / RESULTS)
    # Nothing says that these values are not the paper's, so they are compared with them.
    assert outputs[f"{RESULTS}/tables/claims.csv"]["stand_ins"] == []
    assert "not comparable" not in (checkout / RESULTS / "tables/table1.csv").read_text(encoding="utf-8")
    each_job_was_where_it_belongs(outputs, checkout / RESULTS)


def answers(checkout: Path) -> int:
    """Return how many answers of language models are kept."""
    if not (kept := checkout / "answers" / FILE).exists():
        return 0
    with contextlib.closing(sqlite3.connect(kept)) as journal:
        return journal.execute("SELECT COUNT(*) FROM answers").fetchone()[0]


def each_job_was_where_it_belongs(outputs: dict[str, dict], results: Path) -> None:
    """AssertionError unless the records name the partitions of docs/cluster.md, and few jobs for stage benchmark."""
    done = {rule: slurm_job(outputs, rule) for rule in {record["rule"] for record in outputs.values()}}
    benchmark = {rule for rule in done if rule.startswith("benchmark_")}
    assert {rule: job["SLURM_JOB_PARTITION"] for rule, job in done.items() if job} == (
        dict.fromkeys(GPU, "gpu") | dict.fromkeys(EXTRACT | TOKENS | benchmark, "cpu")
    )
    # One job for all that the estimate needs; later one for the series, and one for the data card and what it shows.
    assert len(benchmark) == 8 and len({done[rule]["SLURM_JOB_ID"] for rule in ESTIMATED}) == 1
    assert len({job["SLURM_JOB_ID"] for job in done.values() if job}) == len(GPU | EXTRACT | TOKENS) + 3
    times = (path.relative_to(results / "timings") for path in (results / "timings").rglob("*.jsonl"))
    assert {path.parts[0] for path in times} == set(done)


def slurm_job(outputs: dict[str, dict], rule: str) -> dict[str, str]:
    """Return number and partition of the SLURM job of a rule; empty if it ran outside SLURM."""
    (job,) = {tuple(r["hardware"].get("slurm", {}).items()) for r in outputs.values() if r["rule"] == rule}
    return dict(job)
