"""Baselines beyond the paper: off by default, and a change reruns exactly those that depend on it."""

import json
from pathlib import Path

import pytest
import yaml
from runs import ROOT, dry_run, jobs, succeeded
from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    PrintDag,
    Quietness,
    ResourceSettings,
)

DEMO, BEYOND = "config/demo.yaml", "config/beyond.yaml"
ONE_DATASET = {"datasets": {"mimic4": None}}
TRAININGS = {"series-patchtst", "series-lstm", "note-encoder"}
Jobs = dict[tuple[str, str], tuple[list[str], list[str]]]


def planned(directory: Path, **changes: object) -> Jobs:
    """Of each job behind the table what decides whether it runs again, its inputs and params; by rule and output."""
    changed = directory / "changed.yaml"
    changed.write_text(yaml.safe_dump(ONE_DATASET | changes), encoding="utf-8")
    with SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=2),
            config_settings=ConfigSettings(configfiles=[ROOT / DEMO, ROOT / BEYOND, changed]),
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )
        targets = {"results/demo/tables/beyond.csv"}
        workflow.dag(DAGSettings(targets=targets, forceall=True, print_dag_as=str(PrintDag.DOT))).printdag()
        return {
            (job.rule.name, str(job.output[0])): (sorted(map(str, job.input)), sorted(map(str, job.params)))
            for job in workflow._workflow.dag.jobs
        }


@pytest.fixture(scope="module")
def before(tmp_path_factory) -> Jobs:
    return planned(tmp_path_factory.mktemp("before"))


def row(output: str) -> str:
    """The row of `classifiers` that a job is of, by the output."""
    return output.removeprefix("results/demo/mimic3/").split("/")[1]


def classifier(name: str, **keys: object) -> dict[str, object]:
    return {"classifiers": {name: keys}}


def series_encoder(**keys: object) -> dict[str, object]:
    return {"student": {"fusion": {"series_encoder": keys}}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (series_encoder(layers=1), {("train_classifier", "series-patchtst")}),
        (classifier("series-lstm", lstm={"width": 8}), {("train_classifier", "series-lstm")}),
        (classifier("series-lstm", schedule={"epochs": 2}), {("train_classifier", "series-lstm")}),
        (classifier("note-encoder", pooling="mean"), {("train_classifier", "note-encoder")}),
        ({"train": {"optimizer": {"batch": 4}}}, {("train_classifier", name) for name in TRAININGS}),
        ({"train": {"phase1": {"epochs": 2}}}, set()),
        (classifier("majority", row="The most frequent"), {("evaluate_scores", "majority")}),
        ({"evaluate": {"decoding": {"precision": "bf16"}}}, {("evaluate_classifier", name) for name in TRAININGS}),
        ({"evaluate": {"decoding": {"beams": 3}}}, set()),
        ({"student": {"texts": {"max_note_tokens": 40}}}, set()),
    ],
)
def test_a_changed_key_concerns_exactly_these_jobs(changes, expected, before, tmp_path, capfd):
    now = planned(tmp_path, **changes)
    assert now.keys() == before.keys()
    assert {(rule, row(output)) for rule, output in now if now[rule, output] != before[rule, output]} == expected
    capfd.readouterr()


def test_the_length_of_the_series_concerns_what_reads_them(before, tmp_path, capfd):
    now = planned(tmp_path, benchmark={"series": {"max_steps": 56}})
    changed = {(rule, row(output)) for rule, output in now if now[rule, output] != before[rule, output]}
    trained = {name for rule, name in changed if rule == "train_classifier"}
    assert trained == {"series-patchtst", "series-lstm"} and "benchmark_leakage" not in {rule for rule, _ in changed}
    capfd.readouterr()


def test_each_reads_the_declared_inputs(before):
    read = {row(output): paths for (rule, output), (paths, _) in before.items() if rule == "train_classifier"}
    assert read.keys() == TRAININGS
    for name, paths in read.items():
        files = {Path(path).stem for path in paths} - {"samples", "labels", "phenotypes"}
        series = {"series_train", "series_validation"}
        assert files == ({"clinical-bert", "encoder_tokens"} if name == "note-encoder" else series), name
    (majority,) = [paths for (rule, _), (paths, _) in before.items() if rule == "benchmark_majority"]
    assert {Path(path).stem for path in majority} == {"labels", "samples", "phenotypes"}


def test_they_are_off_by_default_and_no_row_of_the_paper_needs_them():
    shown = jobs(succeeded(dry_run("--forceall", "--configfile", DEMO, "--", "tables")))
    # The search for names is also what the discussion compares the student with.
    rules = {"train_classifier", "train_encoder_tokens", "evaluate_classifier", "benchmark_majority"}
    assert not rules & shown.keys() and "evaluate_beyond" not in shown


def test_planted_evidence_takes_in_what_is_trained():
    arguments = ("--forceall", "--configfile", DEMO, BEYOND, "--", "results/demo/tables/planted.csv")
    shown = jobs(succeeded(dry_run(*arguments)))
    assert shown["planted_classifier"] == 3 and shown["planted_scores"] == shown["planted_predict"] + 3


def test_an_invalid_row_is_refused_before_anything_runs():
    wrong = {"a": {"row": "A", "method": "lstm"}, "b": {"row": "A", "method": "encoder", "encoder": "none"}}
    run = dry_run("--configfile", DEMO, "--config", f"classifiers={json.dumps(wrong)}")
    assert run.returncode == 1
    for message in (
        "classifiers.a.lstm: missing for method lstm",
        "classifiers.a.schedule: missing for method lstm",
        "classifiers.b.encoder: 'none' is not one of encoders (clinical-bert, roberta-large)",
        "classifiers.b.pooling: missing for method encoder",
        "classifiers: a and b are both row 'A'; rename one of them",
    ):
        assert message in run.stdout
