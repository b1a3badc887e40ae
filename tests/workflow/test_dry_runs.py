"""The DAG of every overlay, and what stops it before a job starts."""

import json
import re
import time

import pytest
import yaml
from runs import OPEN_DEMO, ROOT, header_only, jobs, overlay, snakemake, succeeded

# What a run of the paper's settings needs beside the raw tables.
SERVICES = {"OPENAI_API_KEY": "x", "ENTREZ_EMAIL": "me@example.org"}
NO_SERVICES = dict.fromkeys(SERVICES, "")
PERMITTED = 'teacher_transport={"data_use": "no-retention-cloud"}'
DEMO = ("--configfile", "config/demo.yaml")


@pytest.fixture
def raw(tmp_path):
    """Configuration of the paper on raw tables without rows, ready to be spoiled."""
    for dataset in ("mimic3", "mimic4"):
        header_only(tmp_path / dataset, dataset)
    return {"mimic3": {"raw": f"{tmp_path}/mimic3"}, "mimic4": {"raw": f"{tmp_path}/mimic4"}}


def test_the_papers_dag_has_every_seed_dataset_and_ablation_and_builds_in_seconds(raw):
    started = time.monotonic()
    settings = ("--config", f"datasets={json.dumps(raw)}", PERMITTED)
    output = succeeded(snakemake("--dry-run", "all", "--cores", "2", *settings, **SERVICES))
    seconds = time.monotonic() - started
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    runs = 2 * len(config["seeds"])
    models = config["models"].values()
    phase1 = {(m["backbone"], m["target"]) for m in models}
    later = {(m["backbone"], m["target"], m["vocabulary"]) for m in models if m["last_phase"] == 3}
    found = jobs(output)
    assert found["train_phase1"] == len(phase1) * runs
    assert found["train_phase2"] == found["train_phase3"] == len(later) * runs
    assert found["evaluate_predict"] == found["evaluate_scores"] == len(models) * runs
    assert found["evaluate_table"] == 2
    assert found["extract_events"] == 2
    assert found["train_backbone"] == 2
    assert not [rule for rule in found if rule.startswith("demo_")]
    assert seconds < 30


def test_without_folders_it_says_what_to_set_where_to_get_access_and_the_alternative():
    run = snakemake("--profile", "slurm", "all")
    assert run.returncode != 0
    for text in (
        "datasets.mimic3.raw is not set",
        "datasets.mimic4.raw is not set",
        "docs/data-access.md",
        "https://physionet.org/content/mimiciii/1.4/",
        "make demo",
    ):
        assert text in run.stdout
    assert "Execute" not in run.stdout


def test_all_that_is_missing_in_raw_folders_is_listed_together(raw, tmp_path):
    header_only(tmp_path / "a", "mimic3", leave_out="labevents", without="charttime")
    header_only(tmp_path / "b", "mimic4", leave_out="noteevents", without="anchor_age")
    raw = {"mimic3": {"raw": f"{tmp_path}/a"}, "mimic4": {"raw": f"{tmp_path}/b"}}
    run = snakemake("--dry-run", "all", "--config", f"datasets={json.dumps(raw)}")
    assert run.returncode != 0
    for text in (
        "a/LABEVENTS.csv[.gz] is missing",
        "a/CHARTEVENTS.csv.gz: missing column charttime",
        "b/note/discharge.csv[.gz] is missing; set datasets.mimic4.notes in config/local.yaml to your copy of",
        "Without notes, the target export_benchmark still works",
        "b/hosp/patients.csv.gz: missing column anchor_age",
    ):
        assert text in run.stdout


def test_raw_tables_teacher_and_address_are_told_in_one_message(raw, tmp_path):
    header_only(tmp_path / "a", "mimic3", leave_out="labevents")
    raw["mimic3"] = {"raw": f"{tmp_path}/a"}
    run = snakemake("--dry-run", "all", "--config", f"datasets={json.dumps(raw)}", **NO_SERVICES)
    assert run.returncode != 0
    message = run.stdout[run.stdout.index("cannot start; fix the following first:") :].split("\n\n")[0]
    for text in (
        "a/LABEVENTS.csv[.gz] is missing",
        "teacher_transport.data_use: none does not let text of MIMIC-III (source: folder) go to api.openai.com",
        "does not let text of MIMIC-IV",
        "docs/data-access.md",
        "the environment variable OPENAI_API_KEY (teacher_transport.api_key_variable) is empty",
        "knowledge.pubmed.email",
    ):
        assert message.count(text) >= 1, text
    assert len(re.findall("^ *- ", message, re.MULTILINE)) == 5


def test_only_what_the_run_needs_is_asked_for(raw, tmp_path):
    tree = overlay(tmp_path / "tree.yaml", tmp_path / "results", datasets=raw)
    stays = tmp_path / "results/mimic3/extract/stays.parquet"
    succeeded(snakemake("--dry-run", "--configfile", tree, "--", stays, **NO_SERVICES))
    found = jobs(succeeded(snakemake("--dry-run", "--configfile", tree, "--", "leakage", **NO_SERVICES)))
    assert found["benchmark_leakage"] == 2 and not [rule for rule in found if rule.startswith(("train", "knowledge"))]
    without = {"teacher": {"provider": "template"}, "knowledge": {"source": "offline"}}
    tree = overlay(tmp_path / "tree.yaml", tmp_path / "results", datasets=raw, **without)
    succeeded(snakemake("--dry-run", "all", "--configfile", tree, **NO_SERVICES))
    names = ("clinragen", "clinragen-large", "without-lab-know", "without-know", "without-reasoning")
    notes_only = dict.fromkeys(names)
    tree = overlay(tmp_path / "tree.yaml", tmp_path / "results", datasets=raw, models=notes_only)
    succeeded(snakemake("--dry-run", "all", "--configfile", tree, **NO_SERVICES))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"extract": {"cohort": {"min_agee": 3}}}, "extract.cohort.min_agee: unknown key; the nearest known one is "
                                                   "extract.cohort.min_age"),
        ({"benchmark": {"split": {"test": 2}}}, "benchmark.split.test"),
        ({"models": {"clinragen": {"backbone": "flan"}}}, "models.clinragen.backbone: 'flan' is not under backbones"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_refused_and_the_place_named(tmp_path, wrong, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(wrong), encoding="utf-8")
    run = snakemake("--dry-run", "--configfile", "config/demo.yaml", path)
    assert run.returncode != 0
    assert message in run.stdout


def test_a_row_that_the_papers_table_lacks_is_told_before_anything_is_trained():
    models = json.dumps({"flan-t5": {"row": "Flan T5"}})
    run = snakemake("--dry-run", "all", *DEMO, "--config", f"models={models}")
    assert run.returncode != 0
    assert "models.flan-t5.row: 'Flan T5'" in run.stdout and "Clinical CoT" in run.stdout


def test_every_overlay_has_a_tree_of_its_own():
    trees = []
    for path in (ROOT / "config.yaml", ROOT / "config/demo.yaml", ROOT / "config/open-demo.yaml"):
        folders = yaml.safe_load(path.read_text(encoding="utf-8"))["pathvars"]
        assert folders["logs"].startswith(folders["results"]) and folders["timings"].startswith(folders["results"])
        trees.append(folders["results"])
    assert len(set(trees)) == len(trees)


def test_the_open_demo_is_downloaded_where_it_is_not_and_read_where_it_is(tmp_path):
    absent = {"mimic3": {"raw": f"{tmp_path}/nowhere"}}
    both = ("--configfile", "config/demo.yaml", "config/open-demo.yaml")
    found = jobs(succeeded(snakemake("--dry-run", "all", *both, "--config", f"datasets={json.dumps(absent)}")))
    assert found["demo_download"] == found["demo_notes"] == found["extract_stays"] == 1
    if not OPEN_DEMO.is_dir():
        pytest.skip("the open MIMIC-III demo does not lie beside the checkout")
    present = {"mimic3": {"raw": str(OPEN_DEMO)}}
    found = jobs(succeeded(snakemake("--dry-run", "all", *both, "--config", f"datasets={json.dumps(present)}")))
    assert "demo_download" not in found and found["demo_notes"] == 1


def test_settings_that_change_no_output_change_no_job(tmp_path):
    tree = overlay(tmp_path / "tree.yaml", tmp_path / "results")
    plain = succeeded(snakemake("--dry-run", "all", *DEMO, tree))
    assert "knowledge_terms" in jobs(plain)
    run = snakemake(*DEMO, tree, "--cores", "2", "--quiet", "all", "--", tmp_path / "results/knowledge/terms.parquet")
    succeeded(run)
    other = overlay(tmp_path / "other.yaml", tmp_path / "results", teacher_transport={"retries": 1, "concurrency": 2})
    again = succeeded(snakemake("--dry-run", *DEMO, other, "--", tmp_path / "results/knowledge/terms.parquet"))
    assert "Nothing to be done" in again
