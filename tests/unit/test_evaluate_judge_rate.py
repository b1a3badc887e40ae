"""A judge behind a real server: responses of all kinds, each paid once, to blind, shuffled questions; the estimate."""

import json
import re
import shlex
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from openai_server import completion, failure
from snakemake.utils import update_config
from step_script import SCRIPTS, run_step

from clinragen.config.root import Config, load_config
from clinragen.errors import UserError
from clinragen.evaluate.costs import costs, read_requests
from clinragen.evaluate.judge.files import read_items
from clinragen.evaluate.judge.items import Item
from clinragen.evaluate.judge.question import read_judge_prompt
from clinragen.evaluate.judge.rate import judge_requests
from clinragen.evaluate.rated_files import RatedFiles
from clinragen.provenance.record import read_record
from clinragen.schemas.benchmark import CAPTIONS, COURSES, LABELS, SAMPLES
from clinragen.schemas.judge import ANOTHER_PATIENT, BY_RULE, RATINGS
from clinragen.schemas.predictions import CASES, PREDICTIONS
from clinragen.schemas.ratings import AS_WRITTEN, CRITERIA
from clinragen.schemas.rationale import RATIONALES
from clinragen.workflow import judged
from clinragen.workflow.estimate import Estimate

ROOT = Path(__file__).parents[2]
PROMPT = ROOT / "resources/prompts/judge.txt"
TABLES = ("samples", "courses", "captions", "labels")
STAYS = list(range(1, 7))
FIVE_SHOT = ("mistral-five-shot", "llama2-five-shot", "llama3-five-shot")
SYSTEMS = ("GT", "Mistral", "LLaMA2", "LLaMA3", "ClinRaGen")
JUDGE = {"provider": "openai", "model": "m", "max_tokens": 100, "repairs": 1, "json_schema": True}
PRICE = {"input": 1.0, "output": 1.0}
PARTS = ("note_rationale", "lab_rationale")
CONTROLS = {"swapped": 4, "wrong_diagnoses": 3}


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """A results tree with six test stays; the student wrote nothing about the last one."""
    monkeypatch.chdir(ROOT)
    tree = tmp_path / "results/mimic3"
    sevens = [*STAYS, 7]

    def write(path: str, table: Any, columns: dict[str, list]) -> None:
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        empty = {name: [None] * len(columns["stay_id"]) for name in table.schema.names}
        table.write(pa.table(empty | columns).cast(table.schema), target)

    write(
        "benchmark/samples.parquet",
        SAMPLES,
        {"stay_id": sevens, "subject_id": sevens, "hadm_id": sevens, "split": ["test"] * 6 + ["train"]},
    )
    notes = [f"note of {n}" for n in sevens]
    write("benchmark/courses.parquet", COURSES, {"stay_id": sevens, "heading": ["h"] * 7, "text": notes})
    write("benchmark/captions.parquet", CAPTIONS, {"stay_id": sevens, "text": ["ph is low."] * 7})
    write("benchmark/labels.parquet", LABELS, {"stay_id": sevens, "phenotypes": [["Shock"], ["Gout"], []] * 2 + [[]]})
    write("evaluate/cases.parquet", CASES, {"stay_id": STAYS})
    facts = {"request": ["r"] * 7, "status": ["good"] * 7, "note_cut": [0] * 7}
    for part in ("notes", "labs"):
        texts = [f"teacher {part} {n}" for n in sevens]
        write(f"rationale/template/{part}.parquet", RATIONALES, {"stay_id": sevens, "text": texts, **facts})
    for number, name in enumerate((*FIVE_SHOT, "student")):
        student = name == "student"
        written = [n for n in STAYS if not (student and n == 6)]
        texts = {name: [f"{name} text {number} of {n}" if n in written else None for n in STAYS] for name in PARTS}
        lists = {name: [[]] * 6 for name in ("predicted", "unknown", "requests", "true")}
        path = f"{'evaluate/clinragen/seed1' if student else f'asked/{name}'}/predictions.parquet"
        write(path, PREDICTIONS, {"stay_id": STAYS, "output": ["o"] * 6, "status": ["good"] * 6} | lists | texts)
    return tmp_path


def config_of(site: Path, url: str, **llm: object) -> Config:
    """The demo on one dataset, with a judge behind a server."""
    merged = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    overlay = {
        "pathvars": {"results": str(site / "results")},
        "answers": str(site / "answers"),
        "datasets": {"mimic4": None},
        "llms": {"gpt4": JUDGE | llm},
        "llm_transport": {
            "gpt4": {"base_url": url, "price": {"input": 1.0, "output": 1.0}, "data_use": "local-server"}
        },
        "evaluate": {"judge": {"llms": ["gpt4"], "cases": 6, "controls": CONTROLS}},
    }
    for each in (yaml.safe_load((ROOT / "config/demo.yaml").read_text(encoding="utf-8")), overlay):
        update_config(merged, each)
    return load_config(merged)


def command(site: Path, config: Config) -> list[object]:
    """Return the command line of the rule."""
    below = site / "results"
    paths = {path.replace("<results>", str(below)): row for path, row in judged.systems(config, "mimic3").items()}
    transport = config.llm_transport["gpt4"].model_copy(
        update={"api_key_variable": None, "retries": 0, "max_failed": 0.5, "concurrency": 1}
    )
    arguments = {
        **{name: [below / f"mimic3/benchmark/{name}.parquet"] for name in TABLES},
        "cases": [below / "mimic3/evaluate/cases.parquet"],
        "rationales": [path.replace("<results>", str(below)) for path in judged.rationales(config, "mimic3")],
        "predictions": list(paths),
        "rows": [json.dumps({"names": list(paths.values())})],
        **{"prompt": [PROMPT], "dataset": ["mimic3"], "name": ["gpt4"], "weights": [], "answers": [site / "answers"]},
        "question": [config.evaluate.judge.question.model_dump_json()],
        "llm": [config.llms["gpt4"].model_dump_json()],
        "transport": [transport.model_dump_json()],
        "ratings": [output_of(site)],
    }
    return [SCRIPTS / "evaluate_judge.py", *(w for name, values in arguments.items() for w in (f"--{name}", *values))]


def output_of(site: Path) -> Path:
    return site / "results/mimic3/evaluate/judge/gpt4/ratings.parquet"


def rated(site: Path, config: Config) -> list[dict]:
    """Run the command of the rule and return the ratings that it writes."""
    run = run_step(*command(site, config), cwd=ROOT)
    assert run.returncode == 0, run.stderr
    assert "note of" not in run.stderr and "teacher notes" not in run.stderr
    return RATINGS.read(output_of(site)).to_pylist()


def answer(prompt: str, **changes: object) -> str:
    case = re.search(r"^Case: (\w+)$", prompt, re.MULTILINE)[1]
    return json.dumps({"case": case, "reason": "It fits."} | dict.fromkeys(CRITERIA, 4) | changes)


def of(rows: list[dict], **place: object) -> list[dict]:
    return [row for row in rows if all(row[name] == value for name, value in place.items())]


def test_every_rationale_is_rated_once_blindly_and_in_a_seeded_order(openai_server, site):
    openai_server.reply = answer
    config = config_of(site, openai_server.url)
    rows = rated(site, config)
    written = of(rows, condition=AS_WRITTEN)
    assert Counter(row["system"] for row in written) == dict.fromkeys(SYSTEMS, 6)
    assert {tuple(row[name] for name in CRITERIA) for row in rows if row["status"] == "good"} == {(4,) * 5}
    (empty,) = of(rows, status=BY_RULE)
    assert (empty["stay_id"], empty["system"], empty["request"], empty["words"]) == (6, "ClinRaGen", None, 0)
    assert all(empty[name] == 1 for name in CRITERIA)
    assert openai_server.count == len({row["request"] for row in rows} - {None}) == len(rows) - 1
    # A request contains the schema, but neither system, stay nor condition.
    for body in openai_server.bodies:
        (message,) = body["messages"]
        assert not re.search(
            "|".join((*SYSTEMS, *FIVE_SHOT, "clinragen", ANOTHER_PATIENT, "control")), message["content"]
        )
        assert body["response_format"]["json_schema"]["schema"]["required"][1] == "reason"
    # The order depends on the seed, not on systems or stays.
    sent = [body["messages"][0]["content"] for body in openai_server.bodies]
    first, second = (judge_requests(items_of(site, config), read_judge_prompt(PROMPT), seed) for seed in (1, 2))
    assert sent == [request.prompt for request in first[1]] != [request.prompt for request in second[1]]
    assert [item.system for item in first[0]] != sorted(item.system for item in first[0])
    # Every request is paid once.
    stages = [stage for path, stage in judged.answers(config) if path.endswith("ratings.parquet")]
    (bill,) = costs(stages, [read_requests("judge", output_of(site))], site / "answers").to_pylist()
    number = openai_server.count
    assert (bill["requests"], bill["answers"], bill["input_tokens"]) == (number, number, 7 * number)
    assert bill["dollars"] == pytest.approx(12e-6 * number) and bill["marked"] == 0
    record = read_record(output_of(site))
    assert record["facts"]["models"] == ["m, served as scripted-1"] and record["output"]["sharing"] == "restricted"


def items_of(site: Path, config: Config) -> list[Item]:
    """Return the rated items, as the step reads them."""
    below = str(site / "results")
    paths = {row: Path(path.replace("<results>", below)) for path, row in judged.systems(config, "mimic3").items()}
    rationales = [Path(path.replace("<results>", below)) for path in judged.rationales(config, "mimic3")]
    tables = (Path(below, "mimic3/benchmark", f"{name}.parquet") for name in TABLES)
    files = RatedFiles(*tables, Path(below, "mimic3/evaluate/cases.parquet"), rationales, paths)
    return read_items(files, config.evaluate.judge.question, None)


# By stay.
BAD: dict[int, tuple[str, Callable[[str], str]]] = {
    1: ("it is not one JSON object", lambda prompt: "The rationale is fine, 4/5."),
    2: ("not a whole number from 1 to 5: correctness", lambda prompt: answer(prompt, correctness=0)),
    3: ("not a whole number from 1 to 5: soundness", lambda prompt: answer(prompt, soundness="4/5")),
    4: ("it is about another case", lambda prompt: answer(prompt, case="deadbeef")),
    5: ("fields are missing: consistency", lambda prompt: answer(prompt).replace('"consistency"', '"coherence"')),
}


def test_an_unreadable_response_is_repaired_once_and_then_counted(openai_server, site):
    """After the objection, the judge responds correctly only about the teacher's text."""
    question = ""  # the last one that was no objection: one request is under way at a time

    def reply(prompt: str) -> str:
        nonlocal question
        objected = "This does not fit" in prompt
        question = question if objected else prompt
        stay = int(re.search(r"note of (\d)", question)[1])
        if stay not in BAD or (objected and "teacher notes" in question):
            return answer(question)
        return BAD[stay][1](question)

    openai_server.reply = reply
    rows = rated(site, config_of(site, openai_server.url))
    bad = [row for row in of(rows, condition=AS_WRITTEN) if row["stay_id"] in BAD]
    for row in bad:
        good = row["system"] == "GT"
        assert (row["status"], row["problems"]) == (("good", None) if good else ("flawed", BAD[row["stay_id"]][0]))
        assert {row[name] for name in CRITERIA} == ({4} if good else {None}) and (row["reason"] is None) != good
    assert openai_server.count == len(rows) - 1 + len([row for row in rows if row["stay_id"] in BAD])


def test_a_refusal_is_a_row_with_a_status(openai_server, site):
    config = config_of(site, openai_server.url)
    _, requests = judge_requests(items_of(site, config), read_judge_prompt(PROMPT), 1)
    prompts = [request.prompt for request in requests if "note of 2" in request.prompt]
    openai_server.poison = {prompt: failure(400, "content_filter") for prompt in prompts}
    openai_server.reply = answer
    rows = of(rated(site, config), stay_id=2)
    assert [row["status"] for row in rows] == ["filtered"] * len(prompts)
    assert all(row["correctness"] is None for row in rows)


def test_a_killed_or_changed_judge_is_paid_only_for_new_questions(openai_server, site):
    openai_server.reply = answer
    config = config_of(site, openai_server.url)
    # Six responses, then the server fails.
    openai_server.script = [lambda request: completion(answer(request.get_json()["messages"][-1]["content"]))] * 6 + [
        failure(401)
    ] * 50
    run = run_step(*command(site, config), cwd=ROOT)
    assert run.returncode != 0 and not output_of(site).exists()
    openai_server.script, before = [], openai_server.count
    rows = rated(site, config)
    assert openai_server.count - before == len({row["request"] for row in rows} - {None}) - 6
    before = openai_server.count
    assert rated(site, config) == rows and openai_server.count == before
    # With fewer controls, the questions are a subset.
    judge = config.evaluate.judge.model_copy(
        update={"controls": config.evaluate.judge.controls.model_copy(update={"wrong_diagnoses": 1})}
    )
    fewer = config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"judge": judge})})
    assert len(rated(site, fewer)) < len(rows) and openai_server.count == before


def test_the_estimate_counts_the_requests_before_and_after_the_texts_exist(openai_server, site):
    openai_server.reply = answer
    config = config_of(site, openai_server.url, json_schema=False, repairs=0)

    def estimated() -> dict[str, Any]:
        with Estimate(config) as made:
            return next(row for row in made.table("x").to_pylist() if row["stage"] == "judge")

    predictions = site / "results/mimic3/evaluate/clinragen/seed1/predictions.parquet"
    table = PREDICTIONS.read(predictions)
    predictions.unlink()
    without = estimated()
    # For each system six rationales, four of another patient, three with wrong diagnoses.
    assert without["requests"] == without["calls"] == 5 * (6 + 4 + 3)
    assert without["remark"] == "before ClinRaGen have written: as if their texts were the longest"
    PREDICTIONS.write(table, predictions)
    row = estimated()
    rows = rated(site, config)
    assert row["remark"] is None and row["calls"] == openai_server.count == len(rows) - 1 <= without["calls"]
    assert without["input_tokens"] > row["input_tokens"]
    after = estimated()
    assert (after["calls"], after["answered"], after["dollars"]) == (0, openai_server.count, 0.0)


def test_text_that_may_not_be_sent_to_the_judge_is_not_sent(openai_server, site):
    config = config_of(site, openai_server.url)
    words = shlex.join(map(str, command(site, config))).replace("local-server", "none")
    run = run_step(*[Path(word) if i == 0 else word for i, word in enumerate(shlex.split(words))], cwd=ROOT)
    assert run.returncode != 0 and "mimic3" in run.stderr and openai_server.count == 0


def test_more_cases_than_are_selected_are_refused(site):
    with pytest.raises(UserError, match=r"evaluate\.judge\.cases: 6 is more than evaluate\.cases\.number, 5;"):
        merged = config_of(site, "http://127.0.0.1:9/v1").model_dump()
        load_config(merged | {"evaluate": merged["evaluate"] | {"cases": {"number": 5, "seed": 1}}})
