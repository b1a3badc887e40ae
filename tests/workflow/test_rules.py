"""Every rule has all its parts, and one name leads to all its places."""

import ast
import importlib
import inspect
import re
from collections import defaultdict
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path

import pytest
import yaml
from runs import ROOT, environment, script_of
from snakemake.api import SnakemakeApi
from snakemake.io import apply_wildcards
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

from clinragen.audit.verify import NO_OUTPUTS
from clinragen.config.paper import RunOptions

STAGES = (
    *("demo", "extract", "benchmark", "llm", "knowledge", "rationale", "asked"),
    *("train", "evaluate", "planted", "audit", "site"),
)
# Programs for people, in addition to the rules.
TOOLS = {"check", "estimate", "examples", "trace", "why", "view", "usage", "release"}
# Additional files of stage evaluate: one for each kind of question.
OF_EVALUATE = {"statistics", "texts", "judge", "study", "paper", "discussion", "claims"}
# Options that name a directory for the remains of a killed job.
SCRATCH = re.compile(r"--(checkpoints|parts) \{params\.")
OVERLAYS = {
    "paper": [],
    "demo": ["config/demo.yaml", "config/demo-full.yaml"],
    "open-demo": ["config/demo.yaml", "config/open-demo.yaml"],
    "sensitivity": ["config/demo.yaml", "config/sensitivity.yaml"],
    "beyond": ["config/demo.yaml", "config/beyond.yaml"],
    "served": ["config/demo.yaml", "tests/served.yaml"],
}


@cache  # also used by test_profile.py
def rules_of(overlay: str) -> list:
    """Return the rules that do something, as Snakemake itself reads them."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=2),
            config_settings=ConfigSettings(configfiles=[ROOT / c for c in OVERLAYS[overlay]]),
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )._workflow
        return [rule for rule in workflow.rules if rule.shellcmd or rule.run_func_src]


def with_script(rule) -> str:
    """The command of a rule; one that rules with other scripts are made from has its script as a param."""
    return rule.shellcmd.replace("{params.script:q}", rule.params.get("script", ""))


@pytest.fixture(scope="module")
def rules() -> dict:
    """All rules of all overlays by name: some overlays define rules that others lack."""
    return {rule.name: rule for overlay in OVERLAYS for rule in rules_of(overlay)}


def test_there_are_rules_of_every_stage(rules):
    assert {name.split("_")[0] for name in rules} == set(STAGES)


def test_every_rule_has_all_its_parts(rules):
    for name, rule in rules.items():
        parts = {
            "docstring": rule.docstring,
            "input": rule.input,
            "output": rule.output,
            "params": rule.params.get("code"),
            "log": rule.log,
            "benchmark": rule.benchmark,
            "conda": rule.conda_env,
            "shell": rule.shellcmd,
        }
        assert all(parts.values()), f"{name} lacks {[k for k, v in parts.items() if not v]}"
        assert {"mem_mb", "runtime", "_cores"} <= set(rule.resources), name


def test_pages_repeat_the_options_of_the_run():
    # Not from the cache: functions of rules read the workflow that was loaded last.
    (rule,) = (rule for rule in rules_of.__wrapped__("demo") if rule.name == "evaluate_table")
    options = RunOptions.model_validate_json(rule.resources["options"].evaluate(None).value)
    assert options.command() == "snakemake all --cores 2 --configfile config/demo.yaml config/demo-full.yaml"
    rules_of.__wrapped__(list(OVERLAYS)[-1])  # what the functions of the cached rules read


def test_every_rule_sets_threads():
    for path in sorted((ROOT / "rules").glob("*.smk")):
        text = path.read_text(encoding="utf-8")
        for name, body in re.findall(r"^ *rule (\w+):\n((?:[ \t]+.*\n|\n)+)", text, re.MULTILINE):
            assert "threads:" in body, f"{path.name}: {name}"


def test_a_docstring_is_one_sentence(rules):
    for name, rule in rules.items():
        assert re.fullmatch(r"[A-Z][^.]*(?:\.\S[^.]*)*\.", rule.docstring.strip()), f"{name}: {rule.docstring}"


def test_one_name_leads_to_script_log_benchmark_environment_and_file(rules):
    for name, rule in rules.items():
        stage, script = name.split("_")[0], script_of(name)
        assert f" scripts/{script}.py " in f" {with_script(rule)} ", name
        assert f"/{script}/" in str(rule.log[0]), name
        assert f"/{script}/" in str(rule.benchmark), name
        assert str(rule.benchmark).endswith(".jsonl"), name
        assert str(rule.conda_env).endswith(f"envs/{environment(name)}.yaml"), name
        file = Path(str(rule.snakefile)).stem
        assert file == stage or (stage == "evaluate" and file in OF_EVALUATE), name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_audit_takes_no_log_timing_or_scratch_directory_of_a_rule_for_an_output(overlay):
    example = defaultdict(lambda: "x", dataset="mimic3", shard="1-of-4", seed="1")
    for rule in rules_of(overlay):
        kept = [apply_wildcards(str(path), example) for path in (*rule.log, rule.benchmark)]
        scratch = [value for value in rule.params if getattr(value, "__qualname__", "").startswith("scratch.")]
        kept += [f"{value(example)}/file" for value in scratch]
        assert [path for path in kept if not NO_OUTPUTS.search(path)] == [], rule.name
        assert bool(scratch) == bool({"checkpoints", "parts"} & set(SCRATCH.findall(rule.shellcmd))), rule.name


def test_each_rule_carries_the_digest_of_its_own_code(rules):
    from clinragen.provenance.digest import code_digest

    for name, rule in rules.items():
        assert rule.params["code"] == code_digest(script_of(name)), name


def test_rules_that_read_files_which_no_rule_makes_carry_their_content():
    readers = ("resources/", "raw_tables(", "raw_table(", "authored_texts(", "offline_texts", "split_lists",
               "diagnosis_tables", "local_files_of_backbone", "local_files_of_encoder", "local_files_of_llm",
               "page_templates(")  # fmt: skip
    for path in sorted((ROOT / "rules").glob("*.smk")):
        text = path.read_text(encoding="utf-8")
        for name, body in re.findall(r"^ *rule (\w+):\n((?:[ \t]+.*\n|\n)+)", text, re.MULTILINE):
            read = re.search(r"\binput:\n(.*?)\n +output:", body, re.DOTALL)[1]
            assert any(reader in read for reader in readers) == ("sources=sources" in body), f"{path.name}: {name}"


def test_every_script_belongs_to_a_rule_and_names_its_function_like_it(rules):
    scripts = {p.stem: p for p in (ROOT / "scripts").glob("*.py") if p.stem not in TOOLS}
    assert set(scripts) == {script_of(name) for name in rules}
    for name, path in scripts.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name
        assert len(path.read_text(encoding="utf-8").splitlines()) < 60, f"{name}: a script is a thin command line"


def arguments_of(script: str) -> set[str]:
    """The arguments of a script: those of its function, and in place of a group its fields."""
    kinds = inspect.get_annotations(vars(importlib.import_module(script))[script], eval_str=True)
    arguments: set[str] = set()
    for name, kind in kinds.items():
        arguments |= {field.name for field in fields(kind)} if is_dataclass(kind) else {name}
    return arguments - {"context", "return"}


def test_every_argument_of_a_script_is_given_by_its_rule(rules):
    for name, rule in rules.items():
        wanted = {"--" + argument.replace("_", "-") for argument in arguments_of(script_of(name))}
        given = set(re.findall(r"(?<= )--[a-z][a-z0-9-]*(?=[ =])", re.sub(r"^.*?\.py", "", with_script(rule))))
        assert wanted == given, name


def test_no_argument_of_a_training_begins_an_option_of_torchrun(rules):
    """argparse takes `--start` for `--start-method` of torchrun, even behind the name of the script."""
    from torch.distributed.run import get_args_parser

    options = {option for action in get_args_parser()._actions for option in action.option_strings}
    trainings = {script_of(name) for name, rule in rules.items() if "{params.launcher}" in rule.shellcmd}
    assert {"train_phase1", "train_joint", "train_frozen"} <= trainings
    for script in trainings:
        for argument in arguments_of(script):
            word = "--" + argument.replace("_", "-")
            assert [option for option in options if option.startswith(word)] == [], f"{script}: {word}"


def test_every_placeholder_of_a_command_line_is_quoted(rules):
    """Paths and names come from the configuration: unquoted, a directory called `$(id)` would be executed."""
    not_text = {"threads", "params.launcher"}  # a number; a command of numbers only
    for name, rule in rules.items():
        placeholders = re.findall(r"(?<!\{)\{([^{}]+)\}", rule.shellcmd)
        assert placeholders, name
        assert [p for p in placeholders if not p.endswith(":q") and p not in not_text] == [], name


def test_no_script_opens_the_configuration():
    workflow = set((ROOT / "scripts/clinragen/workflow").glob("*.py"))  # the Snakefile's own code
    for path in set((ROOT / "scripts").rglob("*.py")) - workflow:
        strings = {
            n.value for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Constant)
        }
        assert not {"config.yaml", "config"} & strings, path


def test_nothing_is_put_before_the_commands_of_rules():
    """It would be in no digest and in no param."""
    for path in (ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")):
        assert not re.search(r"shell\.(prefix|suffix|executable)", path.read_text(encoding="utf-8")), path


def test_gpu_rules_request_a_gpu_and_more_memory_with_every_attempt_but_never_more_time(rules):
    for name in ("train_phase1", "train_phase2", "train_phase3", "evaluate_predict"):
        resources = rules[name].resources
        assert resources["gpu"].evaluate(None).value >= 1, name
        first, second = (resources["mem_mb"].evaluate(None, attempt=n).value for n in (1, 2))
        assert second > first, name
        assert len({resources["runtime"].evaluate(None, attempt=n).value for n in (1, 2)}) == 1, name


def test_every_rule_that_asks_has_a_twin_for_models_that_are_served(rules):
    asking = {name for name, rule in rules.items() if "transport" in rule.resources and script_of(name) == name}
    twins = {name for name in rules if name.endswith("_served")}
    assert {f"{name}_served" for name in asking} == twins and len(twins) >= 3
    for name in asking:
        rule, twin = rules[name], rules[f"{name}_served"]
        assert "weights" in dict(twin.input.items()) and "gpu" not in rule.resources, name
        for part in ("input", "output", "params"):
            assert list(getattr(rule, part).keys()) == list(getattr(twin, part).keys()), name
        assert rule.shellcmd == twin.shellcmd, name
        assert twin.workflow._ruleorder.compare(twin, rule) == 1 and twin.name not in twin.workflow._localrules, name


def test_a_served_model_requests_what_its_server_needs(rules):
    server = yaml.safe_load((ROOT / "tests/served.yaml").read_text(encoding="utf-8"))["llm_transport"]["tiny"]["server"]
    asking = ("rationale_notes_served", "rationale_labs_served", "knowledge_terms_served", "asked_predict_served")
    asking += ("evaluate_judge_served",)
    for name in asking:
        for job in ({"dataset": "mimic3", "teacher": "tiny", "asked": "llama-zero-shot", "llm": "tiny"}, None):
            found = {
                resource: [rules[name].resources[resource].evaluate(job, attempt=n).value for n in (1, 2)]
                for resource in ("gpu", "mem_mb", "runtime")
            }
            memory, minutes = server["request"].values()
            assert found == {"gpu": [1, 1], "mem_mb": [memory, 2 * memory], "runtime": [minutes, minutes]}, name


def test_predictions_request_less_than_training():
    paper = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    assert paper["evaluate"]["request"]["minutes"] < paper["train"]["request"]["minutes"]
    assert paper["evaluate"]["request"]["memory_mb"] < paper["train"]["request"]["memory_mb"]


def test_rules_that_hold_all_events_ask_for_more_memory_with_the_second_attempt(rules):
    for name in ("benchmark_samples", "benchmark_captions"):
        first, second = (rules[name].resources["mem_mb"].evaluate(None, attempt=n).value for n in (1, 2))
        assert second > first and rules[name]._restart_times >= 1, name


def test_the_rule_graph_in_docs_is_up_to_date(rules):
    drawn = set(re.findall(r"\[(\w+)\]", (ROOT / "docs/rulegraph.md").read_text(encoding="utf-8")))
    on_demand = {"train_backbone", "benchmark_export", "llm_weights", "train_text_encoder"}
    # For config/beyond.yaml.
    on_demand |= {"extract_features", "benchmark_majority", "train_encoder_tokens"}
    on_demand |= {"train_classifier", "evaluate_classifier", "planted_classifier"}
    assert drawn - {"all"} == {rule.name for rule in rules_of("demo")} - on_demand
