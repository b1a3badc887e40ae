"""Everything that would stop a run is reported before its first job, and nothing that the targets do not need."""

import socket
from pathlib import Path

import pytest
import yaml
from paper_config import config_of
from runs import ROOT, header_only
from snakemake.utils import update_config

from clinragen.config.root import Config
from clinragen.workflow.needs import (
    ASKED,
    BACKBONE,
    GPU,
    JUDGE,
    PUBMED,
    RATIONALES,
    TERMS,
    WEIGHTS,
    Need,
    needs_of,
)
from clinragen.workflow.preflight import (
    llm_problems,
    problems,
    row_problems,
    texts_to_send,
    valid_config,
)

TEXTS = {"MIMIC-III": "folder", "MIMIC-IV": "folder", "public documents": "public"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    monkeypatch.delenv("TEST_KEY", raising=False)
    monkeypatch.delenv("ENTREZ_EMAIL", raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: pytest.fail(f"{host} was looked up"))


@pytest.fixture
def config(tmp_path) -> Config:
    """A configuration whose results do not exist and whose directories are not set."""
    return config_of(pathvars={"results": str(tmp_path)})


def places(lines: list[str]) -> list[str]:
    """The settings or variables that problems name, in order, without repetitions."""
    known = ("datasets.mimic3", "datasets.mimic4", "data_use", "TEST_KEY", "pubmed.email", "backbones.", "launch.nodes")
    return list(dict.fromkeys(place for line in lines for place in known if place in line))


EVERYTHING = ["datasets.mimic3", "datasets.mimic4", "data_use", "TEST_KEY", "pubmed.email"]
DATA = EVERYTHING[:2]


@pytest.mark.parametrize(
    ("target", "missing"),
    [
        ("all", EVERYTHING),
        ("tables", EVERYTHING),
        ("audit", EVERYTHING),
        ("leakage", DATA),
        ("export_benchmark", DATA),
        ("knowledge", ["TEST_KEY", "pubmed.email"]),
        ("{}/knowledge/pubmed.parquet", ["pubmed.email"]),
        ("{}/knowledge/wikipedia.parquet", ["pubmed.email"]),
        ("backbones", []),
        ("{}/mimic3/extract/stays.parquet", ["datasets.mimic3"]),
        ("{}/mimic4/rationale/chatgpt/notes.parquet", ["datasets.mimic4", "data_use", "TEST_KEY"]),
        ("{}/mimic3/train/flan-t5-small/diagnoses/seed1/phase1", ["datasets.mimic3"]),
        ("{}/mimic3/train/flan-t5-small/diagnoses-knowledge/seed1/phase3",
         ["datasets.mimic3", "TEST_KEY", "pubmed.email"]),
        ("{}/mimic3/evaluate/flan-t5/seed1/scores.csv", ["datasets.mimic3"]),
        ("asked", ["datasets.mimic3", "datasets.mimic4", "data_use", "TEST_KEY"]),
        ("{}/mimic3/asked/chatgpt-zero-shot/predictions.parquet", ["datasets.mimic3", "data_use", "TEST_KEY"]),
        ("{}/mimic3/evaluate/chatgpt-zero-shot/asked/scores.csv", ["datasets.mimic3", "data_use", "TEST_KEY"]),
        ("{}/mimic4/asked/mistral-five-shot/predictions.parquet", ["datasets.mimic4"]),
        ("{}/mimic4/evaluate/cases.parquet", ["datasets.mimic4"]),
        ("{}/knowledge/standard/flan-t5-small.json", []),
        ("{}/knowledge/vocab/flan-t5-small.csv", ["TEST_KEY", "pubmed.email"]),
        ("{}/knowledge/sources.csv", ["TEST_KEY", "pubmed.email"]),
        ("{}/tables/table2.csv", EVERYTHING),
        ("no_such_target", []),
    ],
)  # fmt: skip
def test_each_target_is_asked_for_what_it_needs(target, missing, config):
    target = target.format(config.pathvars.results)
    assert places(problems(config, needs_of([target], config), None)) == missing


def test_outputs_that_exist_need_nothing_more(config, tmp_path):
    for name in ("knowledge/terms.parquet", "knowledge/pubmed.parquet", "knowledge/wikipedia.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert problems(config, needs_of(["knowledge"], config), None) == []


def test_without_pubmed_no_address_is_needed(tmp_path):
    config = config_of(pathvars={"results": str(tmp_path)}, knowledge={"terms": {"sources": ["wikipedia"]}})
    kinds = {need.kind for need in needs_of(["knowledge"], config)}
    assert kinds == {TERMS, BACKBONE}
    assert PUBMED in {need.kind for need in needs_of([f"{tmp_path}/knowledge/pubmed.parquet"], config)}


def test_models_decide_what_all_needs(tmp_path):
    models = dict.fromkeys(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["models"])
    del models["flan-t5"]  # notes only, diagnoses only
    asked = {"chatgpt-zero-shot": None}  # the others are asked on this machine
    judge = {"judge": {"llms": ["qwen"]}}  # and so is this judge
    config = config_of(pathvars={"results": str(tmp_path)}, models=models, asked=asked, evaluate=judge)
    assert places(problems(config, needs_of(["all"], config), None)) == DATA
    assert {need.name for need in needs_of(["all"], config) if need.kind == BACKBONE} == {"flan-t5-small"}


def test_a_table_needs_the_servers_of_its_own_rows_and_none_whose_predictions_exist(config, tmp_path):
    asked = {target: {n.name for n in needs_of([target], config) if n.kind == ASKED} for target in ("tables", "all")}
    assert asked["tables"] == asked["all"]  # the five-shot rows are compared and rated
    assert asked["all"] == {f"{dataset}/{row}" for dataset in ("mimic3", "mimic4") for row in config.asked}
    compared = {n.name for n in needs_of([f"{tmp_path}/tables/texts.csv"], config) if n.kind == ASKED}
    assert compared == {name for name in asked["all"] if name.endswith("-five-shot")}
    # Its intervals are those of all rows that have scores.
    scored = {n.name for n in needs_of([f"{tmp_path}/tables/table2.csv"], config) if n.kind == ASKED}
    assert scored == {name for name in asked["all"] if name.endswith("-zero-shot")}
    rows = {name: texts_to_send(config, needs_of(["asked"], config)).get(name, {}) for name in ("llama3", "mistral")}
    assert rows == {name: {"MIMIC-III": "folder", "MIMIC-IV": "folder"} for name in rows}
    path = tmp_path / "mimic3/asked/llama3-five-shot/predictions.parquet"
    path.parent.mkdir(parents=True)
    path.touch()
    assert texts_to_send(config, needs_of(["asked"], config))["llama3"] == {"MIMIC-IV": "folder"}


def test_ratings_need_the_judge_and_all_that_it_is_shown(config, tmp_path):
    found = needs_of([f"{tmp_path}/mimic3/evaluate/judge/gpt4/ratings.parquet"], config)
    named = {kind: {n.name for n in found if n.kind == kind} for kind in (JUDGE, ASKED, RATIONALES, BACKBONE, WEIGHTS)}
    five_shot = {f"{name}-five-shot" for name in ("mistral", "llama2", "llama3")}
    assert named == {
        JUDGE: {"mimic3/gpt4"},
        ASKED: {f"mimic3/{row}" for row in five_shot},
        RATIONALES: {"mimic3"},
        BACKBONE: {"flan-t5-small"},  # of the student, and of no other model
        WEIGHTS: {"mistral", "llama2-five-shot", "llama3"},
    }
    assert "qwen" in {n.name for n in needs_of([f"{tmp_path}/mimic3/evaluate/judge/qwen/ratings.parquet"], config)}
    # Whatever shows ratings, or what they cost, needs the judges.
    for target in ("all", "tables", f"{tmp_path}/tables/judge.html", f"{tmp_path}/tables/costs.csv"):
        judges = {n.name for n in needs_of([target], config) if n.kind == JUDGE}
        assert judges == {f"{dataset}/{llm}" for dataset in ("mimic3", "mimic4") for llm in ("gpt4", "qwen")}, target
    assert not {n for n in needs_of([f"{tmp_path}/tables/table1.csv"], config) if n.kind == JUDGE}
    assert texts_to_send(config, found)["gpt4"] == {"MIMIC-III": "folder"}
    path = tmp_path / "mimic3/evaluate/judge/gpt4/ratings.parquet"
    path.parent.mkdir(parents=True)
    path.touch()
    assert "gpt4" not in texts_to_send(config, found)


def test_without_the_student_the_others_are_rated_without_a_training(tmp_path):
    diagnoses = {"decoding": {"write": "diagnoses"}}
    found = needs_of(["mimic3/evaluate/judge/gpt4/ratings.parquet"], config_of(evaluate=diagnoses))
    assert {GPU, BACKBONE, PUBMED, TERMS}.isdisjoint(need.kind for need in found)
    assert {ASKED, RATIONALES, JUDGE} <= {need.kind for need in found}


@pytest.mark.parametrize("target", ["study", "evaluate_study_scores", "tables/study_agreement.csv"])
def test_people_are_compared_with_judges_who_rate_the_same_student(target, tmp_path):
    def judges(**changes) -> set[str]:
        study = {"responses": str(tmp_path)} | changes
        config = config_of(pathvars={"results": str(tmp_path)}, evaluate={"study": study})
        targets = [f"{tmp_path}/{target}" if "/" in target else target]
        return {need.name for need in needs_of(targets, config) if need.kind == JUDGE}

    assert judges() == {"mimic3/gpt4", "mimic3/qwen"} and judges(dataset="mimic4") == {"mimic4/gpt4", "mimic4/qwen"}
    assert judges(trained="clinragen-large") == set() == judges(responses=None)


def test_a_judge_with_nothing_to_rate_is_not_asked(tmp_path):
    merged = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    nothing = {"models": dict.fromkeys(set(merged["models"]) - {"flan-t5"}), "asked": dict.fromkeys(merged["asked"])}
    assert JUDGE not in {need.kind for need in needs_of(["all"], config_of(**nothing))}


def test_a_remote_server_of_a_row_that_is_asked_is_refused_by_name(tmp_path):
    remote = {"mistral": {"base_url": "https://api.example.org/v1", "server": None, "data_use": "none"}}
    there = {"mistral": {"provider": "openai", "server_arguments": []}}
    config = config_of(pathvars={"results": str(tmp_path)}, llms=there, llm_transport=remote)
    lines = problems(config, needs_of(["asked"], config), None)
    assert any(line.startswith("llm_transport.mistral.data_use: none does not permit") for line in lines), lines


def test_the_row_of_an_asked_model_must_be_in_the_papers_table():
    config = config_of(asked={"mistral-five-shot": {"row": "Mistral-7B"}})
    (line,) = row_problems(config, ROOT / "resources")
    assert line.startswith("asked.mistral-five-shot.row: 'Mistral-7B' is not a row of paper_table4.csv; rows: Mistral;")


def test_stand_ins_need_nothing(tmp_path):
    synthetic = {"source": "synthetic"}
    config = config_of(
        pathvars={"results": str(tmp_path)},
        datasets={"mimic3": synthetic, "mimic4": synthetic},
        llms={name: {"provider": "template"} for name in ("chatgpt", "gpt4")},
        knowledge={"source": "offline"},
    )
    assert problems(config, needs_of(["all"], config), None) == []


def test_directories_of_data_without_notes_are_enough_for_the_export(tmp_path):
    header_only(tmp_path / "mimic3", "mimic3", leave_out="noteevents")
    config = config_of(datasets={"mimic3": {"raw": f"{tmp_path}/mimic3"}, "mimic4": None})
    assert problems(config, needs_of(["export_benchmark"], config), None) == []
    (line,) = problems(config, needs_of(["leakage"], config), None)
    assert "NOTEEVENTS" in line


def test_training_on_several_nodes_needs_slurm(tmp_path):
    config = config_of(pathvars={"results": str(tmp_path)}, train={"launch": {"nodes": 2}})
    needs = needs_of(["all"], config)
    assert places(problems(config, needs, None)) == [*EVERYTHING, "launch.nodes"]
    assert places(problems(config, needs, "slurm")) == EVERYTHING


# --- Language models ---


def with_transport(**values: object) -> Config:
    return config_of(llm_transport={"chatgpt": values})


def test_every_refused_text_and_the_key_are_reported():
    lines = llm_problems(with_transport(), "chatgpt", TEXTS)
    assert len(lines) == 3
    for line, name in zip(lines, ("MIMIC-III", "MIMIC-IV"), strict=False):
        assert line.startswith(f"llm_transport.chatgpt.data_use: none does not permit sending {name} text")
        assert "docs/data-access.md" in line
    assert "TEST_KEY" in lines[2]


def test_batches_of_restricted_text_are_refused_before_the_first_job(monkeypatch):
    monkeypatch.setenv("TEST_KEY", "x")
    allowed = {"data_use": "no-retention-cloud", "allowed_hosts": ["api.openai.com"], "batch": True}
    lines = llm_problems(with_transport(**allowed), "chatgpt", TEXTS)
    assert len(lines) == 2  # of MIMIC-III and MIMIC-IV, not of the public documents
    assert all("a batch is stored there as a file" in x and "chatgpt.batch to false" in x for x in lines)
    assert llm_problems(with_transport(**allowed), "chatgpt", {"public documents": "public"}) == []


def test_nothing_is_wrong_with_permission_and_key(monkeypatch):
    monkeypatch.setenv("TEST_KEY", "x")
    assert (
        llm_problems(with_transport(data_use="no-retention-cloud", allowed_hosts=["api.openai.com"]), "chatgpt", TEXTS)
        == []
    )


def test_open_texts_need_the_key_only():
    (line,) = llm_problems(with_transport(), "chatgpt", {"public documents": "public"})
    assert "TEST_KEY" in line


def test_a_local_server_needs_no_key():
    local = with_transport(base_url="http://127.0.0.1:8000/v1", data_use="local-server")
    assert llm_problems(local, "chatgpt", TEXTS) == []


def test_only_a_check_looks_names_up(monkeypatch):
    unresolved = with_transport(base_url="https://llm.example.edu/v1", data_use="local-server")
    assert llm_problems(unresolved, "chatgpt", TEXTS) == []
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    monkeypatch.setenv("TEST_KEY", "x")
    lines = llm_problems(unresolved, "chatgpt", TEXTS, look_up=True)
    assert len(lines) == 2 and all("llm.example.edu is at 192.0.2.1" in line for line in lines)


def test_the_template_and_a_run_without_requests_need_nothing():
    assert llm_problems(config_of(llms={"chatgpt": {"provider": "template"}}), "chatgpt", TEXTS) == []
    assert llm_problems(with_transport(), "chatgpt", {}) == []


def test_an_invalid_address_is_reported_once():
    (line,) = llm_problems(with_transport(base_url="api.openai.com"), "chatgpt", TEXTS)
    assert line.startswith("llm_transport.chatgpt.base_url")


# --- Language models that jobs serve themselves ---


def with_served(results: Path, **overlay: object) -> Config:
    served = yaml.safe_load((ROOT / "tests/served.yaml").read_text(encoding="utf-8"))
    update_config(served, overlay | {"pathvars": {"results": str(results)}})
    return config_of(**served)


@pytest.mark.parametrize(
    ("target", "needed"),
    [
        ("weights", True),
        ("{}/llms/tiny", True),
        ("{}/mimic3/rationale/tiny/notes.parquet", True),
        ("{}/knowledge/terms.parquet", True),
        ("all", True),
        ("leakage", False),
        ("backbones", False),
    ],
)
def test_weights_are_needed_where_the_model_is_asked(target, needed, tmp_path):
    needs = needs_of([target.format(tmp_path)], with_served(tmp_path))
    assert (Need(WEIGHTS, "tiny") in needs) is needed


def test_a_directory_of_weights_is_checked_until_they_are_fetched(tmp_path):
    config, needs = with_served(tmp_path, llms={"tiny": {"model": "/no/where"}}), {Need(WEIGHTS, "tiny")}
    assert problems(config, needs, None) == ["llms.tiny.model: /no/where is not a directory"]
    assert problems(with_served(tmp_path), needs, None) == []  # a name on the hub
    (tmp_path / "llms/tiny").mkdir(parents=True)
    assert problems(config, needs, None) == []


def test_a_served_model_may_read_restricted_text_where_the_settings_say_so(tmp_path):
    assert llm_problems(with_served(tmp_path), "tiny", TEXTS) == []
    refused = with_served(tmp_path, llm_transport={"tiny": {"data_use": "none"}})
    assert len(llm_problems(refused, "tiny", TEXTS)) == 2  # and no key is asked for


def test_a_row_that_the_papers_table_lacks_is_reported_with_those_that_it_has():
    config = config_of(models={"flan-t5": {"row": "Flan T5"}})
    (line,) = row_problems(config, ROOT / "resources")
    assert line.startswith("models.flan-t5.row: 'Flan T5' is not a row of paper_table1.csv") and "Clinical CoT" in line
    assert row_problems(config_of(), ROOT / "resources") == []


def test_an_invalid_configuration_ends_the_program_with_the_message_alone():
    with pytest.raises(SystemExit) as stopped:
        valid_config({}, ROOT / "resources")
    assert str(stopped.value).startswith("the configuration is not valid; correct config/local.yaml")


def test_needs_name_datasets_in_use_only(tmp_path):
    config = config_of(datasets={"mimic4": None})
    assert Need("raw", "mimic3") in needs_of(["all"], config) and Need("raw", "mimic4") not in needs_of(["all"], config)
