"""The DAG of every overlay, and the checks before a job starts."""

import json
import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from reruns import planned_jobs
from runs import (
    OPEN_DEMO,
    OPEN_DEMO4,
    ROOT,
    dry_run,
    header_only,
    jobs,
    open_demo4,
    overlay,
    seconds_of_children,
    snakemake,
    succeeded,
)
from snakemake.utils import update_config

from clinragen.config.root import load_config
from clinragen.workflow import needs

# Environment variables that a run with the paper's settings needs.
SERVICES = {"OPENAI_API_KEY": "x", "ENTREZ_EMAIL": "me@example.org"}
NO_SERVICES = dict.fromkeys(SERVICES, "")
AGREED = {"data_use": "no-retention-cloud", "allowed_hosts": ["api.openai.com"]}
PERMITTED = {"chatgpt": AGREED, "gpt4": AGREED}
DEMO = ("--configfile", "config/demo.yaml")
FULL = (*DEMO, "config/demo-full.yaml")
BEGINNINGS = (
    "cannot start; fix the following first:",
    "the configuration is not valid;",
    "repeated keys,",
    "rows that are set to null,",
)


@pytest.fixture
def raw(tmp_path):
    """Configuration of raw tables without rows, for tests to damage."""
    for dataset in ("mimic3", "mimic4"):
        header_only(tmp_path / dataset, dataset)
    return {"mimic3": {"raw": f"{tmp_path}/mimic3"}, "mimic4": {"raw": f"{tmp_path}/mimic4"}}


def test_the_papers_dag_has_every_seed_dataset_and_ablation_and_builds_in_seconds(raw):
    before = seconds_of_children()
    settings = ("--config", f"datasets={json.dumps(raw)}", f"llm_transport={json.dumps(PERMITTED)}")
    output = succeeded(snakemake("--dry-run", "all", "--cores", "2", *settings, **SERVICES))
    seconds = seconds_of_children() - before
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    runs = 2 * len(config["seeds"])
    models = config["models"].values()
    stages = ("phase1", "phases", "frozen")
    phase1 = {(m["backbone"], m["target"], m["teacher"]) for m in models if m["training"] in stages}
    later = {(m["backbone"], m["target"], m["vocabulary"]) for m in models if m["training"] == "phases"}
    found = jobs(output)
    assert found["train_phase1"] == len(phase1) * runs
    assert found["train_phase2"] == found["train_phase3"] == len(later) * runs
    assert found["evaluate_predict"] == len(models) * runs
    scored = [row for row in config["asked"].values() if not row["question"]["given_diagnoses"]]
    assert found["asked_predict"] + found["asked_predict_served"] == len(config["asked"]) * 2 == 10
    assert found["evaluate_scores"] == len(models) * runs + len(scored) * 2
    assert found["evaluate_cases"] == 2
    assert found["evaluate_table"] == 3
    assert found["evaluate_bertscore"] == found["evaluate_texts"] == 2
    assert found["train_text_encoder"] == found["evaluate_text_table"] == 1
    assert found["evaluate_judge"] == found["evaluate_judge_served"] == 2 and found["evaluate_judge_scores"] == 1
    assert found["extract_events"] == 2
    assert found["train_backbone"] == len({m["backbone"] for m in models}) == 3
    assert not [rule for rule in found if rule.startswith("demo_")]
    assert seconds < 20


def message_alone(run):
    """Return the output of a refused run, which may contain only the message and Snakemake's lines about arguments."""
    assert run.returncode == 1, run.stdout
    lines = [line for line in run.stdout.splitlines() if not line.startswith(("Using profile ", "Config file "))]
    assert lines[0].startswith(BEGINNINGS), lines
    assert not re.search("Exception|Traceback|Error|[.]smk|Building DAG", run.stdout), run.stdout
    return "\n".join(lines)


def test_without_directories_it_says_what_to_set_where_to_get_access_and_the_alternative():
    output = message_alone(snakemake("--profile", "slurm", "all"))
    for text in (
        "config/local.yaml",
        "datasets.mimic3.raw is not set",
        "datasets.mimic4.raw is not set",
        "docs/data-access.md",
        "https://physionet.org/content/mimiciii/1.4/",
        "make demo",
    ):
        assert text in output


def test_a_section_that_a_file_has_twice_is_refused_with_its_line(tmp_path):
    path = tmp_path / "rows.yaml"
    path.write_text("models:\n  clinragen: null\nmodels:\n  frozen: null\n", encoding="utf-8")
    assert f"{path}, line 3: models" in message_alone(snakemake(*DEMO, path, "--dry-run", "all"))


def test_a_null_that_omits_no_row_is_refused_with_the_row_that_was_probably_meant(tmp_path):
    path = tmp_path / "fewer.yaml"
    path.write_text("models: {clin_ragen: null}\n", encoding="utf-8")
    said = message_alone(snakemake(*DEMO, path, "--dry-run", "all"))
    assert f"{path}: models.clin_ragen; did you mean models.clinragen?" in said


def test_all_that_is_missing_in_raw_folders_is_listed_together(raw, tmp_path):
    header_only(tmp_path / "a", "mimic3", leave_out="labevents", without="charttime")
    header_only(tmp_path / "b", "mimic4", leave_out="noteevents", without="anchor_age")
    raw = {"mimic3": {"raw": f"{tmp_path}/a"}, "mimic4": {"raw": f"{tmp_path}/b"}}
    output = message_alone(dry_run("all", "--config", f"datasets={json.dumps(raw)}"))
    for text in (
        "a/LABEVENTS.csv[.gz] is missing",
        "a/CHARTEVENTS.csv.gz: missing column charttime",
        "b/note/discharge.csv[.gz] is missing; set datasets.mimic4.notes in config/local.yaml to your copy of",
        "Without notes, the target export_benchmark still works",
        "b/hosp/patients.csv.gz: missing column anchor_age",
    ):
        assert text in output


def test_raw_tables_teacher_and_address_are_reported_in_one_message(raw, tmp_path):
    header_only(tmp_path / "a", "mimic3", leave_out="labevents")
    raw["mimic3"] = {"raw": f"{tmp_path}/a"}
    message = message_alone(
        dry_run("all", "--quiet", "all", "--config", f"datasets={json.dumps(raw)}", **NO_SERVICES)
    ).split("\n\n")[0]
    for text in (
        "a/LABEVENTS.csv[.gz] is missing",
        "llm_transport.chatgpt.data_use: none does not permit sending MIMIC-III text to api.openai.com",
        "does not permit sending MIMIC-IV text",
        "docs/data-access.md",
        "the environment variable OPENAI_API_KEY (llm_transport.chatgpt.api_key_variable) is empty",
        "llm_transport.gpt4.data_use: none does not permit sending MIMIC-III text to api.openai.com",
        "the environment variable OPENAI_API_KEY (llm_transport.gpt4.api_key_variable) is empty",
        "knowledge.pubmed.email",
    ):
        assert message.count(text) >= 1, text
    assert len(re.findall("^ *- ", message, re.MULTILINE)) == 8


def test_only_what_the_run_needs_is_asked_for(raw, tmp_path):
    tree = overlay(tmp_path / "tree.yaml", tmp_path / "results", datasets=raw)
    stays = tmp_path / "results/mimic3/extract/stays.parquet"
    succeeded(dry_run("--configfile", tree, "--", stays, **NO_SERVICES))
    found = jobs(succeeded(dry_run("--configfile", tree, "--", "leakage", **NO_SERVICES)))
    assert found["benchmark_leakage"] == 2 and not [rule for rule in found if rule.startswith(("train", "knowledge"))]
    without = {"llms": {"chatgpt": {"provider": "template"}}, "knowledge": {"source": "offline"}}
    here = {"judge": {"llms": ["qwen"]}}  # on this machine
    tree = overlay(tmp_path / "tree.yaml", tmp_path / "results", datasets=raw, evaluate=here, **without)
    succeeded(dry_run("all", "--configfile", tree, **NO_SERVICES))
    names = ("clinragen", "clinragen-large", "without-lab-know", "without-know", "without-reasoning")
    notes_only = dict.fromkeys((*names, "clinical-cot", "clinical-cot-tse"))
    local = {"chatgpt-zero-shot": None}  # the others are asked on this machine
    rows = {"models": notes_only, "asked": local, "evaluate": here}
    tree = overlay(tmp_path / "tree.yaml", tmp_path / "results", datasets=raw, **rows)
    succeeded(dry_run("all", "--configfile", tree, **NO_SERVICES))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"extract": {"cohort": {"min_agee": 3}}}, "extract.cohort.min_agee: unknown key; did you mean "
                                                   "extract.cohort.min_age?"),
        ({"benchmark": {"split": {"test": 2}}}, "benchmark.split.test"),
        ({"models": {"clinragen": {"backbone": "flan"}}}, "models.clinragen.backbone: 'flan' is not one of backbones"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_refused_and_the_place_named(tmp_path, wrong, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(wrong), encoding="utf-8")
    assert message in message_alone(dry_run("--configfile", "config/demo.yaml", path))


@pytest.mark.parametrize(("left_out", "other"), [("mimic3", "mimic4"), ("mimic4", "mimic3")])
def test_a_dataset_can_be_left_out(left_out, other, tmp_path):
    tree = overlay(tmp_path / "tree.yaml", tmp_path / "results", datasets={left_out: None})
    found = jobs(succeeded(dry_run("all", *DEMO, tree)))
    assert f"demo_raw_{other}" in found and f"demo_raw_{left_out}" not in found


def test_a_list_of_patients_that_is_missing_stops_the_workflow(tmp_path):
    datasets = {"mimic3": {"test_list": str(tmp_path / "nothing.csv")}}
    shown = message_alone(dry_run("all", *DEMO, "--config", f"datasets={json.dumps(datasets)}"))
    assert f"datasets.mimic3.test_list: {tmp_path}/nothing.csv is not a file; correct it in config/local.yaml" in shown


def test_a_row_that_the_papers_table_lacks_is_reported_before_anything_is_trained():
    models = json.dumps({"flan-t5": {"row": "Flan T5"}})
    output = message_alone(dry_run("all", *DEMO, "--config", f"models={models}"))
    assert "models.flan-t5.row: 'Flan T5'" in output and "Clinical CoT" in output


@pytest.mark.parametrize("target", ["knowledge", "leakage", "export_benchmark", "results/paper/tables/table1.csv"])
def test_the_same_checks_guard_every_target(target):
    assert "  - " in message_alone(dry_run(target, **NO_SERVICES))


def test_a_target_with_an_unknown_teacher_has_no_rule():
    target = "results/demo/mimic3/rationale/nobody/notes.parquet"
    assert f"No rule to produce {target}" in dry_run(target, *DEMO).stdout


@pytest.mark.parametrize(
    "command", [("--unlock",), ("--list-rules",), pytest.param(("--lint",), marks=pytest.mark.slow)]
)
def test_commands_that_run_no_job_need_no_data(command):
    assert "cannot start" not in succeeded(snakemake(*command))


def test_with_until_the_jobs_report_what_is_missing():
    absent = dry_run("all", "--until", "extract_stays")
    assert "cannot start" not in absent.stdout and "datasets.mimic3.raw-is-not-set" in absent.stdout


# What a rule takes from outside of the workflow, and of whom: the first part of its wildcards' values or the second.
TAKEN = {
    **{f"extract_{table}": needs.RAW for table in ("stays", "features", "diagnoses", "events")},
    "extract_notes": needs.NOTES,
    "rationale_notes": needs.RATIONALES,
    "rationale_labs": needs.RATIONALES,
    "asked_predict": needs.ASKED,
    "evaluate_judge": needs.JUDGE,
    "llm_weights": needs.WEIGHTS,
    "knowledge_terms": needs.TERMS,
    "knowledge_documents": needs.PUBMED,
    "train_backbone": needs.BACKBONE,
    **dict.fromkeys(("train_phase1", "train_phase2", "train_phase3", "evaluate_predict"), needs.GPU),
    **dict.fromkeys(("train_joint", "train_lora", "train_frozen", "evaluate_bertscore"), needs.GPU),
    "train_text_encoder": needs.ENCODER,
}


# Choices that the paper leaves open about a row, as a key of the row or an additional row.
SWITCHED = {
    "clinical-cot": {"target_order": "rationale_first"},
    "clinical-cot-tse": {"target": "rationales"},
    "promptehr-features": {
        "like": "promptehr",
        "row": "PROMPTEHR, features",
        "table": [1],
        "reads": ["note", "features"],
        "soft_prompts": "conditional",
    },
}


def test_a_switch_of_a_row_is_in_the_path_of_what_it_changes(tmp_path):
    tree = overlay(tmp_path / "tree.yaml", "results/none", models=SWITCHED, seeds=[1])
    found = planned_jobs(succeeded(dry_run("all", *FULL, tree)))
    read = {output: job.inputs for job in found for output in job.outputs}
    directory = "results/none/mimic3/train/flan-t5-small"
    # R^t in the target of Clinical CoT with TSE, which it shares with ClinRaGen: no teacher is asked for it.
    joint = read[f"{directory}/rationales-template-note-linear/seed1/joint"]
    assert f"{directory}/rationales-template/target_tokens.arrow" in joint
    assert f"{directory}/note-rationales-template-note-linear/seed1/joint" not in read
    # The rationale first: the same rationale under a different name.
    targets = f"{directory}/first-note-rationales-template"
    assert f"{targets}/target_tokens.arrow" in read[f"{targets}/seed1/phase1"]
    rationales = {path for path in read[f"{targets}/target_tokens.arrow"] if "/rationale/" in path}
    assert rationales == {"results/none/mimic3/rationale/template/notes.parquet"}
    assert f"{directory}/note-rationales-template/target_tokens.arrow" not in read
    # Features for rows that read them, in training and prediction.
    features = "results/none/mimic3/extract/features.parquet"
    users = {output for output, inputs in read.items() if features in inputs}
    assert f"{directory}/diagnoses-note-features-conditional/seed1/joint" in users
    assert {path.split("/")[3] for path in users} == {"train", "evaluate", "planted"}
    assert all("features" in path for path in users)


def test_prompts_before_the_target_stand_after_the_prompt_of_a_model_that_has_no_decoder(tmp_path):
    """Nothing to refuse, but positions that a language model does not have."""
    models = {"promptehr": {"backbone": "opt-125m", "table": [], "row": "on OPT"}}
    tree = overlay(
        tmp_path / "tree.yaml", "results/none", models=models, backbones={"opt-125m": {"source": "tiny-opt"}}
    )
    succeeded(dry_run("tables", *FULL, tree))


@pytest.mark.parametrize("models", [{}, SWITCHED])
def test_the_declared_needs_are_those_of_the_jobs(models, raw, tmp_path):
    own = {"datasets": raw, "seeds": [1], "llm_transport": PERMITTED, "models": models}
    tree = overlay(tmp_path / "tree.yaml", "results/none", **own)
    jobs = planned_jobs(succeeded(dry_run("all", "export_benchmark", "--configfile", tree, **SERVICES)))
    makers = {output: job for job in jobs for output in job.outputs}
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(config, yaml.safe_load(tree.read_text(encoding="utf-8")))
    config = load_config(config)

    @cache
    def taken(output):
        job, below = makers[output], Path(output).relative_to("results/none").parts
        below = below if len(below) > 1 else ("", *below)  # the front page is in no directory
        own = TAKEN.get(job.rule.removesuffix("_served"))
        names = dict.fromkeys((needs.RAW, needs.NOTES, needs.RATIONALES), below[0]) | {needs.BACKBONE: below[1]}
        names[needs.WEIGHTS] = names[needs.ENCODER] = below[1]
        names |= dict.fromkeys((needs.ASKED, needs.JUDGE), "/".join((below[0], below[-2])))
        inherited = frozenset().union(*(taken(path) for path in job.inputs if path in makers))
        return inherited | ({needs.Need(own, names.get(own, ""))} if own else frozenset())

    wrong = {o: (taken(o), needs.needs_of([o], config)) for o in makers if taken(o) != needs.needs_of([o], config)}
    assert len(makers) > 100 and not wrong, wrong
    everything = frozenset().union(*map(taken, makers))
    assert needs.needs_of(["all"], config) == everything


def test_every_rule_that_can_be_a_target_is_declared():
    listed = succeeded(snakemake("--list-target-rules"))
    assert set(re.findall(r"^(\w+)", listed, re.MULTILINE)) == set(needs.TARGETS)


def test_every_overlay_has_a_tree_of_its_own():
    trees = []
    for path in (ROOT / "config.yaml", ROOT / "config/demo.yaml", ROOT / "config/open-demo.yaml"):
        directories = yaml.safe_load(path.read_text(encoding="utf-8"))["pathvars"]
        assert directories["logs"].startswith(directories["results"]) and directories["timings"].startswith(
            directories["results"]
        )
        trees.append(directories["results"])
    assert len(set(trees)) == len(trees)


def test_an_open_demo_is_downloaded_where_it_is_not_and_read_where_it_is(tmp_path):
    def found(raw3: Path, raw4: Path) -> dict[str, int]:
        copies = {"mimic3": {"raw": str(raw3)}, "mimic4": {"raw": str(raw4)}}
        both = ("--configfile", "config/demo.yaml", "config/open-demo.yaml")
        return jobs(succeeded(dry_run("all", *both, "--config", f"datasets={json.dumps(copies)}")))

    nowhere = tmp_path / "nowhere"
    none = found(nowhere / "3", nowhere / "4")
    assert none["demo_download_mimic3"] == none["demo_download_mimic4"] == 1
    assert none["demo_notes_mimic3"] == none["demo_notes_mimic4"] == 1 and none["extract_stays"] == 2
    if not (OPEN_DEMO.is_dir() and OPEN_DEMO4.is_dir()):
        pytest.skip("the open demos of MIMIC are not next to the checkout")
    only3 = found(OPEN_DEMO, nowhere / "4")
    assert "demo_download_mimic3" not in only3 and only3["demo_download_mimic4"] == 1
    both = found(OPEN_DEMO, open_demo4(tmp_path / "mimic4"))
    assert not [rule for rule in both if rule.startswith("demo_download")]
    assert both["demo_notes_mimic3"] == both["demo_notes_mimic4"] == 1


def test_settings_that_change_no_output_change_no_job(tmp_path):
    tree = overlay(tmp_path / "tree.yaml", tmp_path / "results")
    plain = succeeded(dry_run("all", *DEMO, tree))
    assert "knowledge_terms" in jobs(plain)
    run = snakemake(*DEMO, tree, "--cores", "2", "--quiet", "all", "--", tmp_path / "results/knowledge/terms.parquet")
    succeeded(run)
    other = overlay(
        tmp_path / "other.yaml", tmp_path / "results", llm_transport={"chatgpt": {"retries": 1, "concurrency": 2}}
    )
    again = succeeded(dry_run(*DEMO, other, "--", tmp_path / "results/knowledge/terms.parquet"))
    assert "Nothing to be done" in again


def test_examples_of_others_are_checked_before_a_run_and_shown_to_the_teacher(tmp_path):
    ours = (ROOT / "resources/prompts/examples.yaml").read_text(encoding="utf-8")
    theirs = tmp_path / "theirs.yaml"
    tree = overlay(tmp_path / "tree.yaml", tmp_path / "results", rationale={"examples": str(theirs)})
    theirs.write_text(ours.replace("- Shock", "- Schock"), encoding="utf-8")
    output = message_alone(dry_run("all", *DEMO, tree))
    assert f"{theirs}: example 5, diagnoses: 'Schock' is not one of the 25 names" in output
    theirs.write_text(ours, encoding="utf-8")
    jobs_of_demo = planned_jobs(succeeded(dry_run("all", *DEMO, tree)))
    shown = {job.rule for job in jobs_of_demo if str(theirs) in job.inputs}
    assert shown == {"rationale_notes", "rationale_labs", "asked_predict"}


def test_a_target_that_shows_some_rows_needs_what_its_files_need():
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    demo, beyond = (
        yaml.safe_load((ROOT / "config" / f"{n}.yaml").read_text(encoding="utf-8")) for n in ("demo", "beyond")
    )
    update_config(config, demo | {"classifiers": beyond["classifiers"]})
    config = load_config(config)
    statistics = needs.needs_of(["results/demo/tables/statistics.html"], config)
    assert needs.needs_of(["evaluate_statistics"], config) == statistics
    rows = {need.name for need in statistics if need.kind == needs.ASKED}
    assert rows == {f"{d}/{row}-zero-shot" for d in ("mimic3", "mimic4") for row in ("chatgpt", "llama")}
    assert needs.Need(needs.ENCODER, "clinical-bert") in needs.needs_of(["results/demo/tables/beyond.csv"], config)
    assert not [need for need in statistics if need.kind == needs.ENCODER]
