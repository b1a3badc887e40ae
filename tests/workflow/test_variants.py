"""Variants: rows of `models` with other settings share everything that these settings do not change."""

import json
from pathlib import Path

import pytest
import reruns
import yaml
from runs import ROOT, copy_of_checkout, dry_run, jobs, overlay, seconds_of_children, snakemake, succeeded
from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    PrintDag,
    Quietness,
    ResourceSettings,
)
from snakemake.utils import update_config
from snakemake_server import Server

from clinragen.config.root import load_config
from clinragen.workflow import inputs

DEMO, SENSITIVITY, TABLE6 = "config/demo.yaml", "config/sensitivity.yaml", "config/table6.yaml"
PLAN = ("--dry-run", "--forceall", "--nolock", "--", "tables")
VARIANTS = yaml.safe_load((ROOT / SENSITIVITY).read_text(encoding="utf-8"))["variants"]
# A row that learns diagnoses alone reads no rationales: what changes captions does not change its phase 1.
DIAGNOSES = {
    "variants": {"diagnoses-17": {"benchmark": {"series": {"variables": 17}}}},
    "models": {
        "diagnoses-17": {"like": "without-reasoning", "row": "17 variables, w/o REASONING", "variant": "diagnoses-17"}
    },
}
ROWS = [*((name, "clinragen") for name in VARIANTS), ("diagnoses-17", "without-reasoning")]


def flat(section: dict, prefix: str = "") -> dict[str, object]:
    """A nested section by dotted keys."""
    found = {}
    for name, value in section.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


@pytest.fixture(scope="module")
def plans(tmp_path_factory):
    """The jobs of the demo, and those of the demo with all variants."""
    directory = copy_of_checkout(tmp_path_factory.mktemp("checkout"))
    (directory / "more.yaml").write_text(yaml.safe_dump(DIAGNOSES), encoding="utf-8")
    with Server(directory) as server:
        plain = reruns.planned_jobs(server.snakemake("--configfile", DEMO, *PLAN))
        varied = reruns.planned_jobs(server.snakemake("--configfile", DEMO, SENSITIVITY, "more.yaml", *PLAN))
    return plain, varied


def behind(jobs: set[reruns.Job], path: str) -> reruns.Names:
    """Return the jobs behind a file."""
    makers = {output: job for job in jobs for output in job.outputs}
    found, waiting = set(), [path]
    while waiting:
        job = makers.get(waiting.pop())
        if job and job.name not in found:
            found.add(job.name)
            waiting += job.inputs
    return found


def without(variant: str, path: str) -> str:
    return path.replace(f"+{variant}/", "/")


@pytest.mark.parametrize(("variant", "model"), ROWS)
def test_exactly_what_depends_on_the_keys_of_a_variant_has_its_name_in_the_path(variant, model, plans):
    """tests/reruns.py determines what depends on a key, from the text of the rules and the plan without variants."""
    plain, varied = plans
    settings = VARIANTS.get(variant) or DIAGNOSES["variants"][variant]
    started = {job.name for job in plain if any(reruns.reads(job, key) for key in flat(settings))}
    depending = reruns.with_followers(plain, started)
    expected = set()
    for dataset in ("mimic3", "mimic4"):
        path = f"results/demo/{dataset}/evaluate/{model}/seed1/predictions.parquet"
        expected |= {n for n in behind(plain, path) & depending if n[0] != "evaluate_predict"}
    own = {job for job in varied if any(f"+{variant}/" in output for output in job.outputs)}
    found = {(job.rule, tuple(sorted(without(variant, output) for output in job.outputs))) for job in own}
    assert found == expected and expected
    # Jobs of the variant read its own files if there are any.
    made = {without(variant, output) for job in own for output in job.outputs}
    readers = own | {job for job in varied if f"/evaluate/{variant}/seed1/predictions.parquet" in job.outputs[0]}
    assert len(readers) == len(own) + 2
    assert [(job.name, path) for job in readers for path in job.inputs if path in made] == []


def test_variants_move_no_job_of_the_others(plans):
    plain, varied = plans
    tables = {job for job in plain if any("/tables/" in output for output in job.outputs)}
    assert plain - tables <= varied


def params(*overlays: Path | str) -> dict[tuple, tuple]:
    """Return inputs and params of each job of the demo with sensitivity.yaml, which decide whether it reruns."""
    with SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=2),
            config_settings=ConfigSettings(configfiles=[Path(ROOT, p) for p in (DEMO, SENSITIVITY, *overlays)]),
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )
        workflow.dag(DAGSettings(targets={"tables"}, forceall=True, print_dag_as=str(PrintDag.DOT))).printdag()
        return {
            (job.rule.name, *map(str, job.output)): (sorted(map(str, job.input)), sorted(map(str, job.params)))
            for job in workflow._workflow.dag.jobs
        }


def test_another_value_of_a_variant_concerns_its_own_jobs_alone(tmp_path, capfd):
    before = params()
    for keys, kinds in (
        ({"batch-12": {"train": {"optimizer": {"batch": 6}}}}, {"train_phase1", "train_phase2", "train_phase3"}),
        ({"variables-17": {"benchmark": {"series": {"step_hours": 2.0}}}}, {"benchmark_series"}),
        ({"frozen-encoder": {"train": {"phase3": {"epochs": 2}}}}, {"train_phase3"}),
    ):
        changed = tmp_path / "changed.yaml"
        changed.write_text(yaml.safe_dump({"variants": keys}), encoding="utf-8")
        now = params(changed)
        assert now.keys() == before.keys()
        others = {name for name in now if now[name] != before[name]}
        (variant,) = keys
        assert {rule for rule, *_ in others} == kinds
        assert all(f"+{variant}/" in outputs[0] for _, *outputs in others)
    capfd.readouterr()


def test_a_teacher_is_asked_again_only_where_its_prompts_change():
    merged = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(merged, yaml.safe_load((ROOT / SENSITIVITY).read_text(encoding="utf-8")))
    stages = {stage.stage for _, stage in inputs.answers(load_config(merged)) if "rationale" in stage.stage}
    both = {f"{part}_rationale/{name}" for part in ("note", "lab") for name in ("split-seed", "split-15")}
    both |= {"note_rationale/keep-negation", "lab_rationale/keep-negation"}
    assert stages == both | {
        "note_rationale",
        "lab_rationale",
        "lab_rationale/variables-17",
        "lab_rationale/fences-of-code",
    }


@pytest.mark.slow
def test_the_whole_matrix_is_planned_in_seconds(tmp_path):
    stand_ins = overlay(
        tmp_path / "tree.yaml",
        tmp_path / "results",
        datasets={"mimic3": {"source": "synthetic"}, "mimic4": {"source": "synthetic"}},
        llms={"chatgpt": {"provider": "template"}, "deepseek": {"provider": "template"}},
        knowledge={"source": "offline"},
        evaluate={"planted": [], "judge": {"llms": []}},
    )
    before = seconds_of_children()
    shown = jobs(succeeded(snakemake("--dry-run", "--configfile", TABLE6, SENSITIVITY, stand_ins, "--cores", "1")))
    assert seconds_of_children() - before < 20
    # Table 6 adds 13 rows to those of the other tables, and the sensitivity matrix its own; two datasets, five seeds.
    rows = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["models"]
    assert shown["evaluate_predict"] == (len(rows) + 13 + len(VARIANTS)) * 10
    assert shown["evaluate_table"] == 3 and shown["evaluate_sensitivity"] == 1
    # 4 backbones x 2 teachers, diagnoses alone and with R^m, and the variants that change phase 1.
    changing = {
        "variables-17",
        "split-seed",
        "split-15",
        "keep-negation",
        "fences-of-code",
        "rates-of-code",
        "batch-12",
    }
    assert shown["train_phase1"] == (4 * 2 + 2 + len(changing)) * 10
    assert shown["train_phase3"] == (4 * 2 + 2 + len(VARIANTS)) * 10


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"variants": {"x": {"student": {"fusion": {"lab_positon": "suffix"}}}}},
            "variants.x.student.fusion.lab_positon: unknown key; did you mean variants.x.student.fusion.lab_position?",
        ),
        (
            {"models": {"flan-t5": {"row": "FROZEN"}}},
            "models.flan-t5.training: row 'FROZEN' promises frozen, not phase1",
        ),
    ],
)
def test_a_dry_run_refuses_what_is_not_what_it_says(wrong, message):
    settings = [f"{section}={json.dumps(value)}" for section, value in wrong.items()]
    run = dry_run("--configfile", DEMO, "--config", *settings)
    assert run.returncode == 1 and message in run.stdout
