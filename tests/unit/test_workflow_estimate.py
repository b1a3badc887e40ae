"""The estimate: whose answers count, and when its sum is an upper bound."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from served import weights_in
from snakemake.utils import update_config

from clinragen.config.root import Config, load_config
from clinragen.llm.journal import FILE, Entry, Journal
from clinragen.llm.request import identity_hash
from clinragen.llm.tokens import Tokenizer
from clinragen.rationale.generate import WHOLE, gather, note_requests
from clinragen.rationale.prompts import read_examples, read_note_prompt
from clinragen.schemas.benchmark import CAPTIONS, COURSES, LABELS, SAMPLES
from clinragen.schemas.costs import ESTIMATE, STAND_IN
from clinragen.workflow import estimate
from clinragen.workflow.estimate import UNKNOWN_WEIGHTS, Estimate
from clinragen.workflow.estimate_text import lines

ROOT = Path(__file__).parents[2]
STAYS = [1, 2, 3]
BOUND = {"provider": "openai", "model": "m", "max_tokens": 100, "repairs": 0}
PRICE = {"input": 1.0, "output": 2.0}
SERVED = {"provider": "served", "model": "an/llm", "revision": "main", "max_tokens": 100, "repairs": 0}
SERVER = {"command": ["x", "{port}"], "start_seconds": 1, "gpus": 1, "request": {"memory_mb": 500, "minutes": 10}}


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """A results tree with the texts of three stays; every word is a token."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(estimate, "tokenizer_of", lambda *_: words(exact=True))
    columns = {
        SAMPLES: {"stay_id": STAYS, "subject_id": STAYS, "hadm_id": STAYS, "split": ["train"] * 3},
        COURSES: {"stay_id": STAYS, "heading": ["h"] * 3, "text": [f"note {n}" for n in STAYS]},
        CAPTIONS: {"stay_id": STAYS, "text": ["heart rate is normal all the time."] * 3},
        LABELS: {"stay_id": STAYS, "phenotypes": [["Shock"]] * 3},
    }
    directory = tmp_path / "results/mimic3/benchmark"
    directory.mkdir(parents=True)
    for table, values in columns.items():
        table.write(pa.table(values).cast(table.schema), directory / f"{table.name}.parquet")
    return tmp_path


def words(exact: bool) -> Tokenizer:
    return Tokenizer("words", lambda texts: sum(len(text.split()) for text in texts), exact)


def config_of(site: Path, llm: dict[str, Any], **transport: Any) -> Config:
    """The demo on one dataset, with one model that a teacher writes for."""
    merged = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    demo = yaml.safe_load((ROOT / "config/demo.yaml").read_text(encoding="utf-8"))
    reached = {"server": SERVER} if llm["provider"] == "served" else {"base_url": "http://127.0.0.1:9/v1"}
    overlay = {
        "pathvars": {"results": str(site / "results")},
        "answers": str(site / "answers"),
        "datasets": {"mimic4": None},
        "llms": {"teacher": llm},
        "llm_transport": {"teacher": reached | {"price": PRICE} | transport},
        "models": {name: None for name in merged["models"]} | {"clinragen": {"teacher": "teacher"}},
        "asked": dict.fromkeys(merged["asked"]),
        "evaluate": {"judge": {"llms": []}},
    }
    for each in (demo, overlay):
        update_config(merged, each)
    return load_config(merged)


def estimated(site: Path, llm: dict[str, Any] = BOUND, **transport: Any) -> tuple[dict[str, dict], list[str]]:
    """The rows by stage, and the text."""
    with Estimate(config_of(site, llm, **transport)) as made:
        table = ESTIMATE.check(made.table("snakemake estimate"), "test")
        return {row["stage"]: row for row in table.to_pylist()}, lines(table, list(made.budgets()))


def answer(site: Path, config: Config, weights: Path | None, stays: list[int]) -> None:
    """Answers to the questions for R^m of these stays, as a run writes them down."""
    directory = site / "results/mimic3/benchmark"
    tables = (t.read(directory / f"{t.name}.parquet") for t in (SAMPLES, COURSES, LABELS))
    samples = [sample for sample in gather(*tables, WHOLE, None) if sample.stay_id in stays]
    prompts = ROOT / "resources/prompts"
    requests = note_requests(
        samples, read_note_prompt(prompts / "note_rationale.txt"), read_examples(prompts / "examples.yaml")
    )
    model = identity_hash(config.llms["teacher"], weights)
    with Journal(site / "answers" / FILE) as journal:
        for request in requests:
            facts = (request.task, "m", "m", "v", "{}", "answered", "text", "stop", 10, 7, 1.0, "2026-01-01")
            journal.add(Entry(request.key(model), 0, *facts))


def test_a_sum_is_an_upper_bound_where_nothing_in_it_is_a_guess(site):
    rows, text = estimated(site)
    assert rows["note_rationale"]["bound"] and rows["lab_rationale"]["bound"] and rows["note_rationale"]["calls"] == 3
    dollars = sum(row["dollars"] for row in rows.values())
    assert f"Total: at most ${dollars:.2f}" in text and dollars > 0
    _, text = estimated(site, budget=1.0)
    assert f"enough for at most ${dollars:.2f} more" in text[-1]


@pytest.mark.parametrize(
    ("llm", "why"),
    [
        ({"repairs": 1}, "repairs come on top"),
        ({"json_schema": True}, ""),
        ({"max_tokens": None}, "unknown: no answers, no limit"),
    ],
)
def test_settings_that_leave_the_sum_open(llm, why, site):
    rows, text = estimated(site, BOUND | llm)
    assert not rows["note_rationale"]["bound"] and why in "\n".join(text)
    assert any(line.startswith(("Total: about $", "Total: unknown")) for line in text) and not any(
        "at most" in line for line in text
    )


def test_means_of_earlier_answers_are_no_bound(site):
    answer(site, config_of(site, BOUND), None, [1])
    rows, text = estimated(site)
    assert rows["note_rationale"]["output_from"] == "mean of 1 answers" and rows["note_rationale"]["answered"] == 1
    assert not rows["note_rationale"]["bound"]
    # The question for R^t contains R^m, whose length is such a mean.
    assert not rows["lab_rationale"]["bound"] and "Total: about" in "\n".join(text)


def test_what_is_answered_completely_costs_nothing_more_whatever_it_was_counted_with(site):
    answer(site, config_of(site, BOUND), None, STAYS)
    rows, _ = estimated(site, BOUND | {"repairs": 0})
    # These answers pass no check, and no repair is allowed.
    assert rows["note_rationale"]["calls"] == 0 and rows["note_rationale"]["bound"]


def test_a_rule_of_thumb_is_no_bound(site, monkeypatch):
    monkeypatch.setattr(estimate, "tokenizer_of", lambda *_: words(exact=False))
    rows, text = estimated(site)
    assert not rows["note_rationale"]["bound"] and "Total: about" in "\n".join(text)


def test_a_price_that_is_unknown_leaves_the_sum_open(site):
    rows, text = estimated(site, price=None)
    assert rows["note_rationale"]["dollars"] is None
    assert "Total: unknown, because each of the 2 stages lacks a price or a size" in text


def test_stand_ins_are_one_line(site):
    rows, text = estimated(site)
    assert rows["terms"]["remark"] == STAND_IN and not any(line.startswith("terms") for line in text)
    (line,) = [line for line in text if "stand-in" in line]
    assert line == "* answered by a stand-in, which costs nothing: 1 more of 3 stages"
    # Without other rows there is no table.
    _, text = estimated(site, {"provider": "template", "model": "template"})
    assert text == [
        "Total: at most $0.00",
        "* answered by a stand-in, which costs nothing: 3 more of 3 stages",
    ]


def test_answers_of_a_served_model_count_for_its_weights(site):
    config = config_of(site, SERVED)
    rows, text = estimated(site, SERVED)
    assert rows["note_rationale"]["answered"] == 0 and UNKNOWN_WEIGHTS in rows["note_rationale"]["remark"]
    assert UNKNOWN_WEIGHTS in "\n".join(text)
    directory = site / "results/llms"
    directory.mkdir()

    def fetched(content: str) -> Path:
        weights = weights_in(directory, content, "teacher", source=SERVED["model"])
        assert weights == directory / "teacher"
        return weights

    answer(site, config, fetched("one"), [1, 2])
    rows, _ = estimated(site, SERVED)
    assert rows["note_rationale"]["answered"] == 2 and rows["note_rationale"]["remark"] is None
    # The branch has moved.
    fetched("two")
    assert estimated(site, SERVED)[0]["note_rationale"]["answered"] == 0
    fetched("one")
    assert estimated(site, SERVED)[0]["note_rationale"]["answered"] == 2
    # Another revision is configured than the one that was fetched.
    rows, _ = estimated(site, SERVED | {"revision": "a-tag"})
    assert rows["note_rationale"]["answered"] == 0 and UNKNOWN_WEIGHTS in rows["note_rationale"]["remark"]
