"""Language models that cannot be trained are refused before the first job of a run, or when they are fetched."""

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml
from runs import ROOT, dry_run, header_only, jobs, overlay, path_with, snakemake, succeeded
from toy_student import write_backbone, write_text_encoder

# A stand-in has the name of the model that it replaces.
NAME = "flan-t5-small"


def changed(directory: Path, **changes: object) -> Path:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    return directory


def site(directory: Path, source: Path, **settings: object) -> Path:
    """Settings under which one model is trained, from a language model in a directory."""
    raw = header_only(directory / "raw", "mimic3")
    models = dict.fromkeys(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["models"])
    return overlay(
        directory / "site.yaml",
        directory / "results",
        datasets={"mimic3": {"raw": str(raw)}, "mimic4": None},
        models=models | {"clinragen": {"teacher": "template"}},
        asked=dict.fromkeys(("chatgpt-zero-shot", "llama-zero-shot", "mistral-five-shot", "llama2-five-shot"))
        | {"llama3-five-shot": None},
        knowledge={"source": "offline", "terms": {"llm": "template"}},
        backbones={NAME: {"source": str(source), "revision": "main"}},
        evaluate={"judge": {"llms": []}},
        **settings,
    )


def fetch(python: Path, *arguments: str | Path) -> CompletedProcess[str]:
    """Run Snakemake; its jobs are forks."""
    return snakemake("--cores", "1", "--quiet", "rules", "--nolock", *arguments, PATH=path_with(python.parent))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"model_type": "bert"}, "is of model_type bert; supported: t5,"),
        ({}, "has 2048 positions, but 2113 are needed: 1600 of a note (student.texts.max_note_tokens)"),
    ],
)
def test_a_dry_run_refuses_it_with_the_remedy(damage, words, tmp_path):
    model = changed(write_backbone(tmp_path / "model", shape="tiny-opt"), **damage)
    run = dry_run("--quiet", "rules", "--configfile", site(tmp_path, model))
    assert run.returncode == 1 and "cannot start; fix the following first:" in run.stdout
    assert f"backbones.{NAME}.source: {model} {words}" in run.stdout, run.stdout


def test_one_that_fits_is_fetched_and_other_lengths_fetch_nothing_again(tmp_path, fork_python):
    model = write_backbone(tmp_path / "model", shape="tiny-opt")
    settings = site(tmp_path, model, student={"texts": {"max_note_tokens": 1535}})
    succeeded(dry_run("--quiet", "rules", "--configfile", settings))
    target = tmp_path / f"results/backbones/{NAME}"
    succeeded(fetch(fork_python, "--configfile", settings, "--", target))
    assert {"config.json", "model.safetensors", "tokenizer.json", "source.json"} <= {p.name for p in target.iterdir()}
    shorter = site(tmp_path, model, student={"texts": {"max_note_tokens": 1000}})
    again = succeeded(dry_run("--configfile", shorter, "--", target))
    assert "Nothing to be done" in again  # lengths decide about refusal alone


def test_what_only_the_loaded_tokenizer_shows_is_refused_when_it_is_fetched(tmp_path, fork_python):
    model = changed(write_backbone(tmp_path / "model", shape="tiny-opt"), vocab_size=100)
    settings = site(tmp_path, model, student={"texts": {"max_note_tokens": 1535}})
    target = tmp_path / f"results/backbones/{NAME}"
    run = fetch(fork_python, "--configfile", settings, "--", target)
    assert run.returncode == 1 and not target.exists()
    log = (tmp_path / f"results/logs/train_backbone/{NAME}.log").read_text(encoding="utf-8")
    assert f"{model}: the tokenizer has" in log and "Traceback" not in log


BEYOND = ("--configfile", "config/demo.yaml", "config/beyond.yaml")


def test_a_q_former_without_its_bert_is_refused_by_a_dry_run(tmp_path):
    other = write_backbone(tmp_path / "t5")
    for change, words in (
        ({"models": {"frozen-qformer": {"encoder": None}}}, "models.frozen-qformer.encoder: series qformer requires"),
        ({"encoders": {"clinical-bert": None}}, "encoder: 'clinical-bert' is not one of encoders (roberta-large)"),
        ({"encoders": {"clinical-bert": {"source": "/no/bert"}}}, "clinical-bert.source: /no/bert is not a directory"),
        ({"encoders": {"clinical-bert": {"source": str(other)}}}, f"source: {other} is of model_type t5; supported"),
    ):
        run = dry_run("--quiet", "rules", *BEYOND, overlay(tmp_path / "o.yaml", tmp_path / "r", **change))
        assert run.returncode == 1 and words in run.stdout, run.stdout


@pytest.mark.slow
def test_a_text_encoder_is_fetched_to_where_jobs_find_it(tmp_path, fork_python):
    bert = write_text_encoder(tmp_path / "bert")
    settings = overlay(tmp_path / "o.yaml", tmp_path / "results", encoders={"clinical-bert": {"source": str(bert)}})
    target = tmp_path / "results/encoders/clinical-bert"
    run = (*BEYOND, settings, "--", target)
    succeeded(fetch(fork_python, *run))
    assert {"config.json", "model.safetensors", "tokenizer.json", "source.json"} <= {p.name for p in target.iterdir()}
    assert "Nothing to be done" in succeeded(dry_run(*run))
    changed(bert, model_type="roberta")
    log = tmp_path / "results/logs/train_text_encoder/clinical-bert.log"
    assert "train_text_encoder" in succeeded(dry_run("--until", "train_text_encoder", *run))
    assert log.exists()


def test_no_text_encoder_is_fetched_when_neither_a_row_nor_bertscore_uses_one(tmp_path):
    settings = overlay(tmp_path / "o.yaml", tmp_path / "results", evaluate={"bertscore": None})
    planned = succeeded(dry_run("--quiet", "rules", "--configfile", "config/demo.yaml", settings))
    rules = set(jobs(planned))
    assert "evaluate_texts" in rules
    assert not rules & {"evaluate_bertscore", "demo_text_encoder", "train_text_encoder"}
    assert "demo_text_encoder" in succeeded(dry_run("--quiet", "rules", *BEYOND))
