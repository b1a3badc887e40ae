"""`make rehearsal`: the paper's matrix over generated data, with a site's own settings, and nothing sent anywhere."""

import subprocess
from pathlib import Path

import pytest
import yaml
from paper_config import config_of
from runs import ROOT, dry_run, jobs, succeeded

from clinragen.demo.tiny_student import build_model
from clinragen.registry.language_models import positions_problem
from clinragen.workflow.inputs import lengths

OVERLAYS = ("config/table6.yaml", "config/rehearsal.yaml")
ONLINE = {"train_backbone", "train_text_encoder", "llm_weights"}


def planned(*overlays: str | Path) -> dict[str, int]:
    return jobs(succeeded(dry_run("all", "--cores", "2", "--configfile", *overlays)))


def test_it_has_the_papers_matrix_and_needs_neither_data_nor_network():
    found = planned(*OVERLAYS)
    assert found["demo_raw_mimic3"] == found["demo_raw_mimic4"] == 1
    # Two backbones without labs in table 1, four in table 6 of each teacher: over five seeds and two datasets.
    assert found["train_phase2"] == found["train_phase3"] == 100
    assert found["evaluate_predict"] == 250
    assert not ONLINE & set(found) and not [rule for rule in found if rule.endswith("_served")]


def test_a_sites_own_settings_come_before_it_and_cannot_make_it_read_or_send(tmp_path):
    """The example names data, releases, paid models and partitions; with it the same data are generated."""
    site = tmp_path / "local.yaml"
    site.write_text((ROOT / "config/local.example.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    found = planned(OVERLAYS[0], site, OVERLAYS[1])
    assert found["demo_raw_mimic3"] == found["demo_raw_mimic4"] == 1 and not ONLINE & set(found)


def test_a_paid_teacher_of_a_site_is_refused(tmp_path):
    site = tmp_path / "local.yaml"
    chosen = {"models": {"clinragen": {"teacher": "azure"}}, "llms": {"azure": {"provider": "openai", "model": "x"}}}
    chosen["llm_transport"] = {"azure": {"base_url": "https://example.org/v1", "api_key_variable": "KEY"}}
    site.write_text(yaml.safe_dump(chosen), encoding="utf-8")
    shown = dry_run("all", "--cores", "2", "--configfile", OVERLAYS[0], site, OVERLAYS[1])
    assert shown.returncode == 1 and "a rehearsal (demo.share) sends nothing there" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), {"tree": "results/rehearsal-0.1", "demo": {"share": 0.1}}),
        (("SHARE=0.02", "DATASETS=mimic3"), {"tree": "results/rehearsal-0.02", "datasets": {"mimic4": None}}),
        (("DEVICE=cuda",), {"tree": "results/rehearsal-0.1", "train": {"launch": {"device": "cuda"}}}),
    ],
)
def test_the_arguments_of_make_become_an_overlay(arguments, expected, tmp_path):
    """`make` writes the overlay with a shell that only prints it here."""
    command = ["make", "--silent", "--old-file", ".venv/.installed", "--dry-run", "rehearsal"]
    shown = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    line = next(line for line in shown.stdout.splitlines() if line.startswith("printf "))
    script = line.replace(expected["tree"] + ".yaml", str(tmp_path / "overlay.yaml"))
    subprocess.run(["sh", "-c", script], check=True)
    written = yaml.safe_load((tmp_path / "overlay.yaml").read_text(encoding="utf-8"))
    assert written["pathvars"]["results"] == expected.pop("tree")
    assert {key: written[key] for key in expected} == expected


def test_the_tiny_models_have_positions_for_the_papers_lengths():
    config = config_of(**yaml.safe_load((ROOT / OVERLAYS[1]).read_text(encoding="utf-8")))
    for name, backbone in config.backbones.items():
        shape = build_model(100, seed=0, shape=backbone.source).config.to_dict()
        assert positions_problem(name, shape, lengths(config, name)) is None
