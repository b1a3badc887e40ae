"""What depends on what, determined independently of the workflow's digests and of Snakemake's decision to rerun.

Code: `modulefinder` of the standard library on each script. Files: the inputs that the provenance records name, and the
chain from record to record. Configuration: the places that the rules of rules/*.smk name in their params.
What a change adds to the DAG or moves in it (another seed, another backbone) is read from Snakemake's plan of all jobs.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

from changes import settings
from runs import ROOT, records, script_of

RUNTIME = "scripts/clinragen/runtime/"
TARGETS = ("all", "export_benchmark")

# Rows of `models` that the demo trains.
MODELS = (
    *("clinragen", "without-lab-know", "without-know", "without-reasoning", "flan-t5"),
    *("clinical-cot-tse", "frozen", "ehr-knowgen", "promptehr", "llama-ft"),
)
# Those whose rationales are compared, and the asked rows that are compared with them.
COMPARED = ("clinragen", "without-lab-know", "without-know", "clinical-cot-tse")
FIVE_SHOT = ("mistral-five-shot", "llama2-five-shot", "llama3-five-shot")
# Keys that the functions of rules/common*.smk in params read; `output_record` and `scratch` give paths of outputs.
READ_BY_FUNCTION = {
    "raw_release": ["datasets.{dataset}.release"],
    "llm": ["llms.template"],
    "refresh_date": ["knowledge.refresh"],
    "rationale_first": [],  # paths name its value
    "parts_of_model": ["student.fusion", "benchmark.series.max_steps", "student.soft_prompt"],
    "row_of_run": ["models.{model}.row", "asked.{model}.row", "classifiers.{model}.row"],
    # Series encoder and steps only if the classifier has them (tests/workflow/test_classifiers.py).
    "reader_of_classifier": [
        *(f"classifiers.{{model}}.{key}" for key in ("method", "lstm", "pooling")),
        *("student.fusion.series_encoder", "benchmark.series.max_steps"),
    ],
    "share_of_rehearsal": ["demo.share"],
    "sources": [],
    "shard": [],
    "rows_of_table": [],  # other rows are other inputs
    "compared_rows": [],
    # Rows of `models` leave the tables when their names change, which changes the inputs.
    "diagnosed_runs": [f"asked.{name}.row" for name in ("chatgpt-zero-shot", "llama-zero-shot")],
    "rows_of_tables": [f"asked.{name}.row" for name in ("chatgpt-zero-shot", "llama-zero-shot")],
    "configured_tables": [f"models.{name}.table" for name in MODELS],
    # Also the row whose vocabulary differs from the student's.
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
    "rows_answered_by_templates": [],  # other answers are other inputs
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
    "rows_of_checkpoints": [f"models.{name}.row" for name in MODELS],
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
# Keys that only some trainings read, with the directory names of these trainings (models with a separate stage).
READ_BY_PARTS = {
    "student.fusion.": r"-(linear|knowledge|standard|qformer-[\w-]+)/",
    "benchmark.series.max_steps": r"-(linear|knowledge|standard|qformer-[\w-]+)/",
    "student.soft_prompt": r"-(soft|reparametrised)/",
    "student.max_note_and_captions_tokens": r"-note-captions[-/]",
}
STAGES_WITH_PARTS = ("train_joint", "train_lora", "train_frozen")
# Keys behind a place that is not a key: properties, and sections that another key changes.
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
    """One job, by the script of its rule, its inputs and outputs; paths as the workflow names them."""

    rule: str
    outputs: tuple[str, ...]
    inputs: frozenset[str]

    @property
    def name(self) -> tuple[str, tuple[str, ...]]:
        """Identity of the job, whatever it reads."""
        return self.rule, self.outputs


Names = set[tuple[str, tuple[str, ...]]]


def planned_jobs(printed: str) -> set[Job]:
    """Return the jobs that a dry run lists."""
    jobs = set()
    for rule, body in re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", printed, re.MULTILINE):
        parts = dict(re.findall(r"^    (input|output): (.*)$", body, re.MULTILINE))
        if "output" in parts:
            inputs = frozenset(parts["input"].split(", ")) if "input" in parts else frozenset()
            jobs.add(Job(script_of(rule), tuple(sorted(parts["output"].split(", "))), inputs))
    return jobs


def recorded_jobs(results: Path) -> set[Job]:
    """Return the jobs that made the outputs in a results tree, by their records."""
    by_command: dict[tuple[str, ...], list[dict]] = {}
    for record in records(results).values():
        by_command.setdefault((record["rule"], *record["command"]), []).append(record)
    return {
        Job(
            of_job[0]["rule"],
            tuple(sorted(record["output"]["path"] for record in of_job)),
            frozenset(used["path"] for used in of_job[0]["inputs"]),
        )
        for of_job in by_command.values()
    }


def with_followers(jobs: Iterable[Job], started: Names) -> Names:
    """Return the started jobs and all jobs that read their outputs, directly or not."""
    users: dict[str, list[Job]] = {}
    for job in jobs:
        for path in job.inputs:
            users.setdefault(path, []).append(job)
    reached, waiting = set(started), list(started)
    while waiting:
        _, outputs = waiting.pop()
        for job in (user for path in outputs for user in users.get(path, [])):
            if job.name not in reached:
                reached.add(job.name)
                waiting.append(job.name)
    return reached


@cache
def code_of(rule: str) -> frozenset[str]:
    """Return the paths of a rule's script and of the modules that it imports, except the runtime."""
    scripts = ROOT / "scripts"
    finder = _WithoutRuntime(path=[str(scripts)])  # other paths do not matter
    finder.run_script(str(scripts / f"{rule}.py"))
    return frozenset(Path(m.__file__).relative_to(ROOT).as_posix() for m in finder.modules.values() if m.__file__)


@cache
def code_of_runtime() -> frozenset[str]:
    """Return the paths of the runtime's modules and of all that they import: code that runs in every step."""
    finder = ModuleFinder(path=[str(ROOT / "scripts")])
    modules = sorted((ROOT / RUNTIME).glob("*.py"))
    for path in modules:
        finder.run_script(str(path))
    files = {*modules, *(Path(m.__file__) for m in finder.modules.values() if m.__file__)}
    return frozenset(path.relative_to(ROOT).as_posix() for path in files)


class _WithoutRuntime(ModuleFinder):
    """A finder that skips the runtime, on whose imports a rule does not depend."""

    def import_module(self, partname: str, fqname: str, parent: Any) -> Any:
        return None if fqname == "clinragen.runtime" else super().import_module(partname, fqname, parent)


def rules_of_code(path: str) -> frozenset[str]:
    """Return the rules whose script, or a module that it imports, is this file."""
    return frozenset(rule for rule in keys_of_rules() if path in code_of(rule))


def directory(path: str) -> str:
    """Return the directory of a file."""
    return Path(path).parent.as_posix()


def kind_of_resource(path: str) -> str:
    """Return the directory of a resource that is one of many alike, else the file."""
    parent = Path(path).parent
    alike = len(list((ROOT / parent).glob(f"*{Path(path).suffix}"))) > 9
    return parent.as_posix() if alike else path


def kind_of_setting(key: str) -> tuple[str | None, frozenset[tuple[str, str]]]:
    """Return the rules whose params hold a key, and from which place; a key that moves jobs is a separate kind.

    Names of rows do not count: the same key of two rows is of one kind if the same rules read it.
    """
    places = {
        (rule, general(place))
        for rule, places in keys_of_rules().items()
        for place in places
        if re.match(rf"{re.sub(r'{[^}]*}', '[^.]+', place)}(\.|$)", key)
    }
    return general(key) if STRUCTURAL.fullmatch(key) else None, frozenset(places)


def general(key: str) -> str:
    """Return a key with the name of its row replaced by a placeholder."""
    return re.sub(r"^(datasets|models|asked|backbones|encoders)\.[^.]+\.", r"\1.<name>.", key)


@cache
def keys_of_rules() -> dict[str, list[str]]:
    """Return the configuration keys that the params of each script's rules read; they may contain wildcards."""
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
    """Return the text of each param of each rule; `use rule` inherits the params of its base, except those it names."""
    params: dict[str, dict[str, str]] = {}
    head = r"^( *)(?:use )?rule (?:(\w+) as )?(\w+)(?: with)?:\n((?:\1 +.*\n|\n)+)"
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for _, base, rule, body in re.findall(head, path.read_text(encoding="utf-8"), re.MULTILINE):
            block = re.search(r"\n +params:\n(.*?)\n(?: +shell:|\Z|\n)", f"{body}\n", re.DOTALL)
            named = re.split(r"\n? {8,12}(?=\w+=)", block[1])[1:] if block else []
            params[rule] = params.get(base, {}) | {entry.partition("=")[0]: entry for entry in named}
    return params


def reads(job: Job, key: str) -> bool:
    """Return whether the params of a job hold the value of a key; a variant's key only counts for its jobs."""
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
            # A row of `backbones` may override the value of the key.
            return not any(f"backbones.{part}.{key.removeprefix('train.')}" in settings() for part in parts)
    return False


def users_of_code(jobs: set[Job], path: str) -> Names:
    """Return the jobs whose rule runs a file of code."""
    return {job.name for job in jobs if path in code_of(job.rule)}


def users_of_file(jobs: set[Job], path: str) -> Names:
    """Return the jobs that read a file."""
    return {job.name for job in jobs if path in job.inputs}


def users_of_settings(jobs: set[Job], keys: Iterable[str], plan: Callable[[], set[Job]]) -> tuple[set[Job], Names]:
    """Return all jobs under the changed configuration, and those that the keys affect (by params, or new or moved).

    `plan` returns all jobs under the changed configuration; it is called only if a key may change them.
    """
    keys = list(keys)
    now = plan() if any(STRUCTURAL.fullmatch(key) for key in keys) else jobs
    before = {job.name: job.inputs for job in jobs}
    moved = {job.name for job in now if before.get(job.name) != job.inputs}
    return now, moved | {job.name for job in now if any(reads(job, key) for key in keys)}


def code_files() -> list[str]:
    """Return every Python file that is a rule's script or a module of the library."""
    scripts = {f"scripts/{rule}.py" for rule in keys_of_rules()}
    library = {p.relative_to(ROOT).as_posix() for p in (ROOT / "scripts/clinragen").rglob("*.py")}
    return sorted(scripts | library)


def resource_files() -> list[str]:
    """Return every authored file that rules read: resources, prompts included, and page templates."""
    tops = (ROOT / "resources", ROOT / "scripts/clinragen/pages/templates")
    return sorted(path.relative_to(ROOT).as_posix() for top in tops for path in top.rglob("*") if path.is_file())
