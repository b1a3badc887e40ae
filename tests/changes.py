"""Another valid value for every key of the demo's configuration, for the tests of what reruns."""

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from runs import ROOT, copy_of_checkout, header_only
from snakemake.utils import update_config

from clinragen.config.llms import Llm, Transport
from clinragen.config.student import Backbone

# Rows that have the same keys, with values of the same kind, as another row: changing them would test the same.
ALIKE = (
    *(
        (section, name)
        for section in ("llms", "llm_transport")
        for name in ("llama2", "llama2-five-shot", "llama3", "gpt4", "qwen")
    ),
    ("llms", "second-template"),
    *(("asked", name) for name in ("llama-zero-shot", "llama2-five-shot", "llama3-five-shot")),
    *(("backbones", name) for name in ("opt-125m", "qwen2.5-0.5b")),
    ("models", "clinical-cot"),
)


@cache
def settings(*overlays: Path) -> dict[str, Any]:
    """Return the configuration of the demo, flat: every leaf by its dotted key, defaults of rows included.

    Rows that are ALIKE are left out.
    """
    merged: dict[str, Any] = {}
    for path in (ROOT / "config.yaml", ROOT / "config/demo.yaml", ROOT / "config/demo-full.yaml", *overlays):
        update_config(merged, yaml.safe_load(path.read_text(encoding="utf-8")))
    for section, kind in (("llms", Llm), ("llm_transport", Transport), ("backbones", Backbone)):
        merged[section] = {name: kind(**row).model_dump() for name, row in merged[section].items() if row}
    for section, name in ALIKE:
        del merged[section][name]
    return dict(_leaves(merged, ""))


def _leaves(section: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        elif (prefix, value) != ("models.", None):  # otherwise a row that the overlay leaves out
            yield f"{prefix}{name}", value


def nested(keys: dict[str, Any]) -> dict[str, Any]:
    """Return dotted keys as an overlay of the configuration."""
    overlay: dict[str, Any] = {}
    for key, value in keys.items():
        *names, last = key.split(".")
        section = overlay
        for name in names:
            section = section.setdefault(name, {})
        section[last] = value
    return overlay


OTHER_DIRECTORY = {
    dataset: {f"datasets.{dataset}.source": "folder", f"datasets.{dataset}.raw": f"tables/{dataset}"}
    for dataset in ("mimic3", "mimic4")
}


OTHER_EXAMPLES = "examples-of-others.yaml"


def served(name: str) -> dict[str, Any]:
    """Return keys with which jobs serve a language model themselves."""
    server = {"command": ["x", "{port}"], "start_seconds": 1, "gpus": 1, "request": {"memory_mb": 500, "minutes": 10}}
    row = {"provider": "served", "revision": "main", "server_arguments": ["--seed", "1"]}
    transport = {f"llm_transport.{name}": {"base_url": None, "server": server}}
    return {f"llms.{name}.{key}": value for key, value in row.items()} | transport


SERVER_THAT_EXISTS = {
    **{"llms.mistral.provider": "openai", "llms.mistral.server_arguments": []},
    **{"llm_transport.mistral.server": None, "llm_transport.mistral.base_url": "http://127.0.0.1:9/v1"},
}


def checkout_with_tables(directory: Path) -> Path:
    """Copy the checkout, and add the files that OTHER_DIRECTORY and OTHER_EXAMPLES name."""
    copy_of_checkout(directory)
    for dataset in OTHER_DIRECTORY:
        header_only(directory / "tables" / dataset, dataset)
    shutil.copy(directory / "resources/prompts/examples.yaml", directory / OTHER_EXAMPLES)
    return directory


# Values that `changed` cannot derive, with the keys that must change with them so that the configuration is valid.
VALUES: dict[str, dict[str, Any]] = {
    "datasets.mimic3.source": OTHER_DIRECTORY["mimic3"],
    "datasets.mimic4.source": OTHER_DIRECTORY["mimic4"],
    "extract.diagnoses.unlisted_codes": OTHER_DIRECTORY["mimic3"] | OTHER_DIRECTORY["mimic4"],
    "benchmark.compat": OTHER_DIRECTORY["mimic3"] | OTHER_DIRECTORY["mimic4"] | {"benchmark.compat": True},
    "benchmark.series.variables": {"benchmark.series.variables": 17},
    "benchmark.series.max_steps": {"benchmark.series.max_steps": 56},
    "benchmark.captions.fences": {"benchmark.captions.fences": "released_code"},
    "benchmark.series.fill": {"benchmark.series.fill": "previous"},
    "extract.memory_limit_mb": {"extract.memory_limit_mb": 900},
    "knowledge.source": {"knowledge.source": "online"},
    "knowledge.refresh": {"knowledge.refresh": "2026-01-01"},
    "knowledge.terms.sources": {"knowledge.terms.sources": ["wikipedia"]},
    "rationale.examples": {"rationale.examples": OTHER_EXAMPLES},
    "llms.template.provider": {
        "llms.template.provider": "openai",
        "llm_transport.template.base_url": "http://127.0.0.1:9/v1",
    },
    "llms.chatgpt.provider": {"llms.chatgpt.provider": "template"},
    "llms.mistral.provider": SERVER_THAT_EXISTS,
    "llm_transport.mistral.base_url": SERVER_THAT_EXISTS,
    "llm_transport.mistral.price": {"llm_transport.mistral.price": {"input": 1.0, "output": 2.0}},
    "llm_transport.mistral.budget": {
        "llm_transport.mistral.budget": 5.0,
        "llm_transport.mistral.price": {"input": 1.0, "output": 2.0},
    },
    "llms.template.server_arguments": served("template"),
    "llms.chatgpt.server_arguments": served("chatgpt"),
    "llm_transport.chatgpt.server": served("chatgpt"),
    "llms.template.endpoint": {"llms.template.endpoint": "completions"},
    "llm_transport.chatgpt.price": {"llm_transport.chatgpt.price": {"input": 1.0, "output": 2.0}},
    "llm_transport.chatgpt.budget": {
        "llm_transport.chatgpt.budget": 5.0,
        "llm_transport.chatgpt.price": {"input": 1.0, "output": 2.0},
    },
    "knowledge.terms.llm": {"knowledge.terms.llm": "chatgpt"},
    "evaluate.judge.llms": {"evaluate.judge.llms": ["template"]},
    "evaluate.judge.trained": {"evaluate.judge.trained": "without-know"},
    "evaluate.judge.cases": {
        **{"evaluate.judge.cases": 19, "evaluate.judge.controls.swapped": 19},
        "evaluate.judge.controls.wrong_diagnoses": 19,
    },
    "evaluate.judge.controls.swapped": {"evaluate.judge.controls.swapped": 10},
    "evaluate.judge.controls.wrong_diagnoses": {"evaluate.judge.controls.wrong_diagnoses": 10},
    "train.optimizer.marked_samples": {"train.optimizer.marked_samples": "leave_out"},
    "backbones.llama2-7b.source": {"backbones.llama2-7b.source": "tiny-opt"},
    "backbones.llama2-7b.launch.deepspeed": {"backbones.llama2-7b.launch.deepspeed": True},
    "train.launch.zero_stage": {"train.launch.zero_stage": 3, "train.launch.fit_memory": False},
    "train.lora.modules": {"train.lora.modules": ["q_proj", "v_proj"]},
    "backbones.flan-t5-small.source": {"backbones.flan-t5-small.source": "google/flan-t5-small"},
    "student.fusion.series_encoder.patch": {"student.fusion.series_encoder.patch": 4},
    "student.fusion.series_encoder.width": {"student.fusion.series_encoder.width": 64},
    "student.fusion.series_encoder.heads": {"student.fusion.series_encoder.heads": 2},
    "student.fusion.lab_position": {"student.fusion.lab_position": "suffix"},
    "train.optimizer.precision": {"train.optimizer.precision": "bf16"},
    "student.fusion.series_encoder.positions": {"student.fusion.series_encoder.positions": "sincos"},
    "student.fusion.series_encoder.norm": {"student.fusion.series_encoder.norm": "layer"},
    "student.fusion.series_encoder.token": {"student.fusion.series_encoder.token": "last"},
    "train.optimizer.selection": {"train.optimizer.selection": "loss"},
    "train.launch.micro_batch_tokens": {"train.launch.micro_batch_tokens": 1024},
    "train.report_to": {"train.report_to": "tensorboard"},
    "evaluate.study.dataset": {"evaluate.study.dataset": "mimic4"},
    "evaluate.study.trained": {"evaluate.study.trained": "without-lab-know"},
    "evaluate.study.responses": {"evaluate.study.responses": "resources"},
    "evaluate.study.design.raters_per_case": {"evaluate.study.design.raters_per_case": 2},
    "evaluate.study.exclusion.absent": {"evaluate.study.exclusion.absent": ["R01"]},
    # A rated student must have both rationales.
    "models.clinragen.target": {
        **{"models.clinragen.target": "diagnoses", "models.clinragen.teacher": None, "models.clinragen.table": []},
        "evaluate.study.trained": "without-lab-know",
    },
    "evaluate.planted": {"evaluate.planted": ["mimic3", "mimic4"]},
    "demo.share": {"demo.share": 0.001},
    "train.optimizer.batch_order": {"train.optimizer.batch_order": "sorted"},
    "train.launch.device": {"train.launch.device": "cuda"},
    "train.launch.processes": {"train.launch.processes": 2},
    "evaluate.bertscore.encoder": {"evaluate.bertscore.encoder": "clinical-bert"},
    "evaluate.bertscore.layer": {"evaluate.bertscore.layer": 1},
    "evaluate.bertscore.device": {"evaluate.bertscore.device": "cuda"},
    "evaluate.decoding.device": {"evaluate.decoding.device": "cuda"},
    "evaluate.decoding.write": {"evaluate.decoding.write": "diagnoses"},
    "evaluate.decoding.precision": {"evaluate.decoding.precision": "bf16"},
    "evaluate.reference": {"evaluate.reference": "ClinRaGen*"},
    "seeds": {"seeds": [1, 2]},
}


# Values for every language model that is not a stand-in.
VALUES_OF_LLM = {"provider": "template", "endpoint": "completions", "data_use": "no-retention-cloud"}
# Numbers that can be null.
LIMITS = {"temperature", "top_p", "seed", "max_tokens", "max_completion_tokens", "max_note_characters"}
LIMITS |= {"requests_per_minute", "tokens_per_minute", "batch", "share", "max_steps"}


def changed(key: str, value: Any) -> dict[str, Any]:
    """Return another valid value for a key of the demo, with the keys that must change with it."""
    if key in VALUES:
        return {key: not value if isinstance(value, bool) else value} | VALUES[key]
    section, _, last = key.rpartition(".")
    if key.startswith(("llms.", "llm_transport.")) and last in VALUES_OF_LLM:
        return {key: VALUES_OF_LLM[last]}
    if key.startswith("asked."):
        row = ".".join(key.split(".")[:2])
        return {f"{row}.{name}": v for name, v in _changed_asked(key.removeprefix(f"{row}."), value).items()}
    if key.startswith("models."):
        return {f"{section}.{name}": v for name, v in _changed_model(last, value).items()}
    if last in ("test_list", "validation_list"):
        return {f"{section}.test_list": "LICENSE", key: "LICENSE"}
    if key.startswith("backbones.") and last == "max_note_tokens":
        return {key: 40}
    if key.startswith("backbones.") and last == "request" and value is None:
        return {key: {"memory_mb": 4000, "minutes": 40}}
    if key.startswith("pathvars."):
        return {key: f"{value}-other"}
    if value is None and last in LIMITS:
        return {key: 1}
    if isinstance(value, list):
        return {key: [*value, "host.example.org"]}
    if value is None:
        return {key: "1.4" if last == "release" else f"results/demo/{key}"}
    if isinstance(value, bool):
        return {key: not value}
    if isinstance(value, int):
        return {key: value + 1}
    if isinstance(value, float):
        return {key: value / 2 if value else 0.25}
    return {key: f"{value}-other"}


def _changed_asked(key: str, value: Any) -> dict[str, Any]:
    """Return another value for a key of a row of `asked`, in no table if the table would refuse it."""
    diagnoses = {"question.task": "explain", "question.given_diagnoses": False}
    return {
        "row": {"row": "ClinRaGen*" if str(value).startswith("LLM Zero-shot") else "ClinRaGen"},  # free in their tables
        "table": {"table": []},
        "llm": {"llm": "chatgpt"},
        "question.task": {
            "table": [],
            "question.given_diagnoses": False,
            "question.task": "explain" if value == "diagnose" else "diagnose",
        },
        "question.given_diagnoses": {"table": [], **diagnoses, "question.given_diagnoses": not value},
        "question.label_list": {"question.label_list": not value, "question.given_diagnoses": False},
        "cases": {"table": [], "cases": "sampled" if value == "all" else "all"},
    }[key]


def _changed_model(last: str, value: Any) -> dict[str, Any]:
    """Return another value for a key of a model, in no table if the paper's name of its row would contradict it."""
    no_table = {"table": []}
    if last == "row":
        return {"row": "Another"} | no_table
    if last == "table":
        return {"table": value[:-1]}
    note = {"reads": ["note"], "series": None, "vocabulary": None, "soft_prompts": None, "training": "phase1"}
    phases = note | {
        "reads": ["note", "series"],
        "series": "attention",
        "vocabulary": "knowledge",
        "training": "phases",
    }
    joint = {"training": "joint"}
    if last in ("reads", "series", "training", "soft_prompts") or (last == "vocabulary" and value is None):
        other = {
            "reads": note if value != ["note"] else joint | {"reads": ["note", "captions"]},
            "series": phases if value != "attention" else joint | {"series": "linear", "vocabulary": None},
            "training": phases if value != "phases" else note,
            "soft_prompts": {"soft_prompts": "texts" if value == "reparametrised" else "reparametrised"},
            "vocabulary": phases,
        }[last]
        return other | no_table
    other = {"knowledge": "pubmed", "standard": "knowledge", "rationales": "diagnoses", "diagnoses": "rationales"}
    other |= {"note_rationale": "diagnoses", "diagnoses_first": "rationale_first"}
    if last == "teacher":
        return {"teacher": "chatgpt"} if value else {"teacher": "template", "target": "rationales"} | no_table
    if last == "target":
        return {"target": other[value], "teacher": None if value != "diagnoses" else "template"} | no_table
    return {last: other[value] if last != "backbone" else "flan-t5-large"} | no_table
