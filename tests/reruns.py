"""What depends on what, told without the workflow's own digest and without what Snakemake decides to run again.

Code: `modulefinder` of the standard library on each script. Files: the inputs that the provenance records name, and the
way down from record to record. Configuration: the places that the rules of rules/*.smk name in their params.
What a change adds to the DAG or moves in it (another seed, another backbone) is read from Snakemake's plan of all jobs.
"""

import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

import yaml
from runs import ROOT, copy_of_checkout, header_only, records, script_of
from snakemake.utils import update_config

from clinragen.config.llms import Llm, Transport
from clinragen.config.student import Backbone

RUNTIME = "scripts/clinragen/runtime/"
TARGETS = ("all", "export_benchmark")

# Rows of `models` that the demo trains.
MODELS = (
    *("clinragen", "without-lab-know", "without-know", "without-reasoning", "flan-t5"),
    *("clinical-cot-tse", "frozen", "ehr-knowgen", "promptehr", "llama-ft"),
)
# Those whose rationales are compared, and what is asked for the same.
COMPARED = ("clinragen", "without-lab-know", "without-know", "clinical-cot-tse")
FIVE_SHOT = ("mistral-five-shot", "llama2-five-shot", "llama3-five-shot")
# Keys that the functions of rules/common*.smk in params read; `output_record` and `scratch` give paths of outputs.
READ_BY_FUNCTION = {
    "raw_release": ["datasets.{dataset}.release"],
    "llm": ["llms.template"],
    "refresh_date": ["knowledge.refresh"],
    # Paths name what they say.
    "rationale_first": [],
    "parts_of_model": ["student.fusion", "benchmark.series.max_steps", "student.soft_prompt"],
    "row_of_run": ["models.{model}.row", "asked.{model}.row", "classifiers.{model}.row"],
    # Of a series encoder and of its steps only where the classifier has them (tests/workflow/test_classifiers.py).
    "reader_of_classifier": [
        *(f"classifiers.{{model}}.{key}" for key in ("method", "lstm", "pooling")),
        *("student.fusion.series_encoder", "benchmark.series.max_steps"),
    ],
    "sources": [],
    "shard": [],
    "rows_of_table": [],  # other rows are other inputs
    "compared_rows": [],
    # Rows of `models` leave the tables with their names, which changes what is read.
    "diagnosed_runs": [f"asked.{name}.row" for name in ("chatgpt-zero-shot", "llama-zero-shot")],
    "rows_of_tables": [f"asked.{name}.row" for name in ("chatgpt-zero-shot", "llama-zero-shot")],
    "configured_tables": [f"models.{name}.table" for name in MODELS],
    # The row with another vocabulary than the student's, too.
    "discussed_rows": [
        *(f"asked.{name}.row" for name in ("chatgpt-zero-shot", "llama-zero-shot")),
        "models.without-know.row",
    ],
    # Of every compared model; other runs are other inputs.
    "compared_runs": [f"models.{name}.row" for name in COMPARED] + [f"asked.{name}.row" for name in FIVE_SHOT],
    "configured": [],  # names of rows, which are other inputs
    "timed_jobs": [],
    "dataset_names": [],
    "title_of_panel": [],
    "title_of_study": [],  # another dataset is other inputs
    "source_of_study": ["datasets.mimic3.source"],
    "reference_of_study": ["models.clinragen.row"],
    "systems_of_study": [
        "models.clinragen.row",
        *(f"asked.{name}-five-shot.row" for name in ("mistral", "llama2", "llama3")),
    ],
    "asked_stages": ["llms.template.provider", "llms.template.model"],
    "judged_rows": [
        *(f"asked.{name}-five-shot.row" for name in ("mistral", "llama2", "llama3")),
        "models.clinragen.row",
    ],
    # Of every model of the demo.
    "trained_models": [f"models.{name}.row" for name in MODELS],
    "launcher": ["train.launch", "backbones.{backbone}.launch"],
    "launch_of_backbone": ["train.launch", "backbones.{backbone}.launch"],
    "texts_of_student": [
        *("student.texts", "student.max_note_and_captions_tokens", "backbones.{backbone}.max_note_tokens"),
    ],
    "longest_note": ["student.texts.max_note_tokens", "backbones.{backbone}.max_note_tokens"],
    "fetched_backbone": ["backbones.{backbone}.source", "backbones.{backbone}.revision"],
    "fetched_encoder": ["encoders.{encoder}.source", "encoders.{encoder}.revision"],
    "title": [],
    "output_record": [],
    "scratch": [],
}
# Keys that only some trainings read, by what the directory then names that a model with a stage of its own has.
READ_BY_PARTS = {
    "student.fusion.": r"-(linear|knowledge|standard|qformer-[\w-]+)/",
    "benchmark.series.max_steps": r"-(linear|knowledge|standard|qformer-[\w-]+)/",
    "student.soft_prompt": r"-(soft|reparametrised)/",
    "student.max_note_and_captions_tokens": r"-note-captions[-/]",
}
STAGES_WITH_PARTS = ("train_joint", "train_lora", "train_frozen")
# Keys behind a place that is no key: properties, and sections that another key changes.
BEHIND = {
    "datasets.{dataset}.text_source": ["datasets.{dataset}.source"],
    "evaluate.judge.question": [f"evaluate.judge.{key}" for key in ("cases", "seed", "controls")],
    "extract.diagnoses": ["extract.diagnoses", "benchmark.compat"],
    "extract.events": ["extract.events", "benchmark.compat"],
}
# Keys that add jobs or change which files a job reads.
STRUCTURAL = re.compile(
    r"pathvars\.results|datasets\..*|extract\.diagnoses\.unlisted_codes|benchmark\.compat|knowledge\.source|"
    r"knowledge\.terms\.sources|llms\..*\.server_arguments|rationale\..*|"
    r"backbones\..*|encoders\..*|variants\..*|models\..*|asked\..*|classifiers\..*|seeds|evaluate\.planted|"
    r"evaluate\.judge\.(llms|trained)|evaluate\.decoding\.write|evaluate\.bertscore\.encoder|"
    r"evaluate\.study\.(dataset|trained|responses)"
)


@dataclass(frozen=True)
class Job:
    """One job, by the script of its rule, what it reads and makes; paths as the workflow names them."""

    rule: str
    outputs: tuple[str, ...]
    inputs: frozenset[str]

    @property
    def name(self) -> tuple[str, tuple[str, ...]]:
        """What tells it from all other jobs, whatever it reads."""
        return self.rule, self.outputs


Names = set[tuple[str, tuple[str, ...]]]


def planned_jobs(printed: str) -> set[Job]:
    """The jobs that a dry run lists."""
    found = set()
    for rule, body in re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", printed, re.MULTILINE):
        parts = dict(re.findall(r"^    (input|output): (.*)$", body, re.MULTILINE))
        if "output" in parts:
            inputs = frozenset(parts["input"].split(", ")) if "input" in parts else frozenset()
            found.add(Job(script_of(rule), tuple(sorted(parts["output"].split(", "))), inputs))
    return found


def recorded_jobs(results: Path) -> set[Job]:
    """The jobs that made what lies in a tree of results, by the records."""
    made: dict[tuple[str, ...], list[dict]] = {}
    for record in records(results).values():
        made.setdefault((record["rule"], *record["command"]), []).append(record)
    return {
        Job(
            found[0]["rule"],
            tuple(sorted(r["output"]["path"] for r in found)),
            frozenset(used["path"] for used in found[0]["inputs"]),
        )
        for found in made.values()
    }


def with_followers(jobs: Iterable[Job], started: Names) -> Names:
    """The started jobs and all that read, directly or not, what they make."""
    users: dict[str, list[Job]] = {}
    for job in jobs:
        for path in job.inputs:
            users.setdefault(path, []).append(job)
    found, waiting = set(started), list(started)
    while waiting:
        _, outputs = waiting.pop()
        for job in (user for path in outputs for user in users.get(path, [])):
            if job.name not in found:
                found.add(job.name)
                waiting.append(job.name)
    return found


@cache
def code_of(rule: str) -> frozenset[str]:
    """Paths of the script of a rule and of the modules that it imports, the runtime left out."""
    scripts = ROOT / "scripts"
    finder = _WithoutRuntime(path=[str(scripts)])  # nothing outside is of interest
    finder.run_script(str(scripts / f"{rule}.py"))
    return frozenset(Path(m.__file__).relative_to(ROOT).as_posix() for m in finder.modules.values() if m.__file__)


@cache
def code_of_runtime() -> frozenset[str]:
    """Paths of the runtime's modules and of all that they import: code that runs in every step."""
    finder = ModuleFinder(path=[str(ROOT / "scripts")])
    modules = sorted((ROOT / RUNTIME).glob("*.py"))
    for path in modules:
        finder.run_script(str(path))
    files = {*modules, *(Path(m.__file__) for m in finder.modules.values() if m.__file__)}
    return frozenset(path.relative_to(ROOT).as_posix() for path in files)


class _WithoutRuntime(ModuleFinder):
    """What only the runtime imports, a rule does not depend on."""

    def import_module(self, partname: str, fqname: str, parent: Any) -> Any:
        return None if fqname == "clinragen.runtime" else super().import_module(partname, fqname, parent)


def rules_of_code(path: str) -> frozenset[str]:
    """Rules whose script or one of the modules that it imports is this file."""
    return frozenset(rule for rule in keys_of_rules() if path in code_of(rule))


def directory(path: str) -> str:
    """The directory of a file."""
    return Path(path).parent.as_posix()


def kind_of_resource(path: str) -> str:
    """The directory of a resource that is one of many alike, else the file."""
    folder = Path(path).parent
    alike = len(list((ROOT / folder).glob(f"*{Path(path).suffix}"))) > 9
    return folder.as_posix() if alike else path


def kind_of_setting(key: str) -> tuple[str | None, frozenset[tuple[str, str]]]:
    """The rules whose params hold a key, and from which place; a key that moves jobs is of its own kind."""
    general = re.sub(r"^(datasets|models|asked|backbones|encoders)\.[^.]+\.", r"\1.{name}.", key)
    places = {
        (rule, place)
        for rule, places in keys_of_rules().items()
        for place in places
        if re.match(rf"{re.sub(r'{{[^}}]*}}', '[^.]+', place)}(\.|$)", key)
    }
    return general if STRUCTURAL.fullmatch(key) else None, frozenset(places)


@cache
def keys_of_rules() -> dict[str, list[str]]:
    """The configuration keys that the params of each script's rules read; they may contain a wildcard of the job."""
    keys: dict[str, set[str]] = {}
    for rule, params in params_of_rules().items():
        text = "\n".join(params.values())
        places = re.findall(r'setting\("([^"]+)"\)', text)
        places += re.findall(r"=CONFIG\.([\w.]+)", text)
        for function in set(re.findall(r"\w+=(\w+)", text)) - {"setting", "code_digest", "CONFIG"}:
            places += READ_BY_FUNCTION[function]
        keys.setdefault(script_of(rule), set()).update(key for place in places for key in BEHIND.get(place, [place]))
    return {script: sorted(found) for script, found in keys.items()}


def params_of_rules() -> dict[str, dict[str, str]]:
    """The text of each param of each rule; one made by `use rule` has the params of its base, except those it names."""
    params: dict[str, dict[str, str]] = {}
    head = r"^( *)(?:use )?rule (?:(\w+) as )?(\w+)(?: with)?:\n((?:\1 +.*\n|\n)+)"
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for _, base, rule, body in re.findall(head, path.read_text(encoding="utf-8"), re.MULTILINE):
            block = re.search(r"\n +params:\n(.*?)\n(?: +shell:|\Z|\n)", f"{body}\n", re.DOTALL)
            named = re.split(r"\n? {8,12}(?=\w+=)", block[1])[1:] if block else []
            params[rule] = params.get(base, {}) | {entry.partition("=")[0]: entry for entry in named}
    return params


def reads(job: Job, key: str) -> bool:
    """Whether the params of a job hold the value of a key; of a key of a variant, where the job's paths name that."""
    variant = re.match(r"variants\.([^.]+)\.", key)
    if variant:
        if f"+{variant[1]}/" not in job.outputs[0]:
            return False
        key = key.removeprefix(variant[0])
    parts = next((parts for place, parts in READ_BY_PARTS.items() if key.startswith(place)), "")
    own_stage = job.rule in STAGES_WITH_PARTS or key == "student.max_note_and_captions_tokens"
    if own_stage and parts and not re.search(parts, job.outputs[0]):
        return False
    for place in keys_of_rules()[job.rule]:
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^.]+)", re.escape(place))
        match = re.match(rf"{pattern}(\.|$)", key)
        parts = {name for output in job.outputs for name in (*Path(output).parts, Path(output).stem)}
        if match and set(match.groupdict().values()) <= set(parts):
            # A language model may have a value of its own in place of the key's.
            return not any(f"backbones.{part}.{key.removeprefix('train.')}" in settings() for part in parts)
    return False


def users_of_code(jobs: set[Job], path: str) -> Names:
    """Jobs whose rule runs a file of code."""
    return {job.name for job in jobs if path in code_of(job.rule)}


def users_of_file(jobs: set[Job], path: str) -> Names:
    """Jobs that read a file."""
    return {job.name for job in jobs if path in job.inputs}


def users_of_settings(jobs: set[Job], keys: Iterable[str], plan: Callable[[], set[Job]]) -> tuple[set[Job], Names]:
    """All jobs under the changed configuration, and those that keys concern: by their params, or as new or moved jobs.

    `plan` gives all jobs under the changed configuration; it is asked only where a key may change them.
    """
    keys = list(keys)
    now = plan() if any(STRUCTURAL.fullmatch(key) for key in keys) else jobs
    before = {job.name: job.inputs for job in jobs}
    moved = {job.name for job in now if before.get(job.name) != job.inputs}
    return now, moved | {job.name for job in now if any(reads(job, key) for key in keys)}


# --- The changes ---


def code_files() -> list[str]:
    """Every Python file of the workflow that is a rule's script or a module of the library."""
    scripts = {f"scripts/{rule}.py" for rule in keys_of_rules()}
    library = {p.relative_to(ROOT).as_posix() for p in (ROOT / "scripts/clinragen").rglob("*.py")}
    return sorted(scripts | library)


def resource_files() -> list[str]:
    """Every file that we wrote and rules read: those of resources/, prompts among them, and the templates of pages."""
    folders = (ROOT / "resources", ROOT / "scripts/clinragen/pages/templates")
    return sorted(p.relative_to(ROOT).as_posix() for folder in folders for p in folder.rglob("*") if p.is_file())


# Rows with the same keys, and values of the same kind, as another row: changing them would show the same.
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
    """The configuration of the demo, flat: every leaf by its dotted key, also those that rows leave to the default.

    Of rows that are ALIKE only one is there.
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
        elif (prefix, value) != ("models.", None):  # a row that the overlay leaves out
            yield f"{prefix}{name}", value


def nested(keys: dict[str, Any]) -> dict[str, Any]:
    """Dotted keys as an overlay of the configuration."""
    sections: dict[str, Any] = {}
    for key, value in keys.items():
        *names, last = key.split(".")
        place = sections
        for name in names:
            place = place.setdefault(name, {})
        place[last] = value
    return sections


OTHER_FOLDER = {
    dataset: {f"datasets.{dataset}.source": "folder", f"datasets.{dataset}.raw": f"tables/{dataset}"}
    for dataset in ("mimic3", "mimic4")
}


OTHER_EXAMPLES = "examples-of-others.yaml"


def served(name: str) -> dict[str, Any]:
    """Keys by which jobs serve a language model themselves."""
    server = {"command": ["x", "{port}"], "start_seconds": 1, "gpus": 1, "request": {"memory_mb": 500, "minutes": 10}}
    row = {"provider": "served", "revision": "main", "server_arguments": ["--seed", "1"]}
    reached = {f"llm_transport.{name}": {"base_url": None, "server": server}}
    return {f"llms.{name}.{key}": value for key, value in row.items()} | reached


SERVER_THAT_EXISTS = {
    **{"llms.mistral.provider": "openai", "llms.mistral.server_arguments": []},
    **{"llm_transport.mistral.server": None, "llm_transport.mistral.base_url": "http://127.0.0.1:9/v1"},
}


def checkout_with_tables(folder: Path) -> Path:
    """A copy of the checkout, and in it what OTHER_FOLDER and OTHER_EXAMPLES name."""
    copy_of_checkout(folder)
    for dataset in OTHER_FOLDER:
        header_only(folder / "tables" / dataset, dataset)
    shutil.copy(folder / "resources/prompts/examples.yaml", folder / OTHER_EXAMPLES)
    return folder


# Values that no rule of thumb gives, and what must change with them so that the configuration is valid.
CHOSEN: dict[str, dict[str, Any]] = {
    "datasets.mimic3.source": OTHER_FOLDER["mimic3"],
    "datasets.mimic4.source": OTHER_FOLDER["mimic4"],
    "extract.diagnoses.unlisted_codes": OTHER_FOLDER["mimic3"] | OTHER_FOLDER["mimic4"],
    "benchmark.compat": OTHER_FOLDER["mimic3"] | OTHER_FOLDER["mimic4"] | {"benchmark.compat": True},
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
    # What is rated must have both rationales.
    "models.clinragen.target": {
        **{"models.clinragen.target": "diagnoses", "models.clinragen.teacher": None, "models.clinragen.table": []},
        "evaluate.study.trained": "without-lab-know",
    },
    "evaluate.planted": {"evaluate.planted": ["mimic3", "mimic4"]},
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


# The same for every language model that is no stand-in.
CHOSEN_OF_LLM = {"provider": "template", "endpoint": "completions", "data_use": "no-retention-cloud"}
# Numbers that may be null.
LIMITS = {"temperature", "top_p", "seed", "max_tokens", "max_completion_tokens", "max_note_characters"}
LIMITS |= {"requests_per_minute", "tokens_per_minute", "batch"}


def changed(key: str, value: Any) -> dict[str, Any]:
    """Another valid value for a key of the demo, with the keys that must change with it."""
    if key in CHOSEN:
        return {key: not value if isinstance(value, bool) else value} | CHOSEN[key]
    section, _, last = key.rpartition(".")
    if key.startswith(("llms.", "llm_transport.")) and last in CHOSEN_OF_LLM:
        return {key: CHOSEN_OF_LLM[last]}
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
    """Another value of a key of a row that is asked, in no table if the table would refuse it."""
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
    """Another value of a key of a model, in no table where the paper's name of its row would contradict it."""
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
