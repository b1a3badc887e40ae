"""The cluster profile: where each job runs, and its description in docs/cluster.md."""

import re

import pytest
import yaml
from runs import ROOT, copy_of_checkout, snakemake, succeeded
from test_rules import OVERLAYS, rules_of

NEED_A_SERVICE = {
    *("demo_download_mimic3", "demo_download_mimic4", "knowledge_documents", "knowledge_terms"),
    *("rationale_notes", "rationale_labs", "asked_predict", "train_backbone", "llm_weights"),
    "evaluate_judge",
}


@pytest.fixture(scope="module")
def profile() -> dict:
    return yaml.safe_load((ROOT / "slurm/config.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rules() -> dict:
    return {rule.name: rule for overlay in OVERLAYS for rule in rules_of(overlay)}


@pytest.fixture(scope="module")
def local(rules) -> set[str]:
    """Rules that run where Snakemake runs."""
    return {name for name, rule in rules.items() if name in rule.workflow._localrules}


def test_jobs_with_a_gpu_go_to_its_partition_and_no_others(profile, rules):
    elsewhere = {name: asked["slurm_partition"] for name, asked in profile["set-resources"].items()}
    assert set(elsewhere) == {name for name, rule in rules.items() if "gpu" in rule.resources}
    assert set(elsewhere.values()) == {"gpu"} and profile["default-resources"]["slurm_partition"] == "cpu"


def test_values_that_a_site_sets_appear_once():
    text = (ROOT / "slurm/config.yaml").read_text(encoding="utf-8")
    for key in ("slurm_account", "gpu_model", "slurm_partition: cpu", "slurm_partition: gpu"):
        assert text.count(key) == 1, key


def test_what_needs_a_service_runs_where_snakemake_runs(local):
    assert local >= NEED_A_SERVICE


def test_the_light_rules_of_a_dataset_are_one_job(profile, rules):
    light = {name for name in rules if name.startswith("benchmark_")} - {"benchmark_export"}
    assert profile["groups"] == dict.fromkeys(light, "benchmark")


def test_a_rule_on_the_cluster_is_heavy_or_in_the_group(profile, rules, local):
    single = set(rules) - local - set(profile["groups"])
    extract = {f"extract_{table}" for table in ("stays", "features", "groups", "diagnoses", "events", "notes")}
    others = {"benchmark_export", *(f"train_{text}_tokens" for text in ("note", "caption", "target", "encoder"))}
    assert single == extract | others | set(profile["set-resources"])


def test_every_key_of_the_profile_is_explained(profile):
    table = re.findall(r"^\| (`.*?) \|", (ROOT / "docs/cluster.md").read_text(encoding="utf-8"), re.MULTILINE)
    explained = {key for cell in table for key in re.findall(r"`([\w-]+)", cell)}
    assert set(profile) <= explained, set(profile) - explained


def test_a_site_may_keep_its_values_where_git_does_not_look(tmp_path, profile):
    checkout = copy_of_checkout(tmp_path / "checkout")
    (checkout / "profiles/default").mkdir(parents=True)
    own = {
        "default-resources": {"slurm_partition": "long", "slurm_account": "lab7"},
        "set-resources": {rule: {"slurm_partition": "dgx"} for rule in profile["set-resources"]},
    }
    (checkout / "profiles/default/config.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    target = "results/demo/mimic3/train/flan-t5-small/diagnoses/seed1/phase1"
    dry = ("--profile", "slurm", "--configfile", "config/demo.yaml", "--dry-run", "--", target)
    printed = succeeded(snakemake(*dry, cwd=checkout))
    jobs = dict(re.findall(r"^rule (\w+):\n(?:.*\n)*?    resources: (.*)$", printed, re.MULTILINE))
    assert "slurm_partition=dgx" in jobs["train_phase1"] and "slurm_account=lab7" in jobs["train_phase1"]
    assert "slurm_partition=long" in jobs["extract_stays"]
    assert "/profiles/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
