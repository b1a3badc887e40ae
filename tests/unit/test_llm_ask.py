"""Asking a language model: content and identity of requests, repairs, order of answers, the template stand-in."""

import json
import logging
import sqlite3
from pathlib import Path

import pytest
from openai_server import completion, failure

from clinragen.config.llms import Llm, Transport
from clinragen.errors import UserError
from clinragen.llm import template
from clinragen.llm.ask import LanguageModel
from clinragen.llm.journal import COLUMNS, FILE, Entry, Journal, accepted_chain
from clinragen.llm.request import Answer, Request

SETTINGS = {"provider": "openai", "model": "m", "temperature": 0.0, "max_tokens": 50}
KEY = "sk-very-secret-1234567890"


def transport(url: str, **changes) -> Transport:
    values = {"base_url": url, "api_key_variable": "TEST_KEY", "concurrency": 4, "retries": 2}
    values |= {"timeout_seconds": 5, "max_failed": 0.5}
    return Transport(**(values | changes))


def model(url: str, answers: Path, llm: dict | None = None, **changes) -> LanguageModel:
    return LanguageModel("teacher", Llm(**(SETTINGS | (llm or {}))), transport(url, **changes), answers)


def requests(number: int) -> list[Request]:
    return [Request("note_rationale", f"prompt {i}", "v1") for i in range(number)]


def good(request: Request, text: str) -> list[str]:
    return []


def asked(server, answers, wanted, llm=None, check=good, **changes) -> list[Answer]:
    return model(server.url, answers, llm, **changes).ask(wanted, "mimic3", [], check)[0]


def entries(answers: Path) -> list[Entry]:
    with sqlite3.connect(answers / FILE) as connection:
        return [Entry(*row) for row in connection.execute(f"SELECT {COLUMNS} FROM answers ORDER BY rowid")]


def test_answers_come_in_order_and_once(openai_server, tmp_path):
    wanted = requests(9)
    answers = asked(openai_server, tmp_path, [*wanted, wanted[0]])
    assert [a.text for a in answers] == [f"answer to prompt {i}" for i in [*range(9), 0]]
    assert openai_server.count == 9 and {a.status for a in answers} == {"good"}
    assert asked(openai_server, tmp_path, wanted) == answers[:9]
    assert openai_server.count == 9


def test_the_request_and_its_journal_entry(openai_server, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TEST_KEY", KEY)
    with caplog.at_level(logging.DEBUG):
        (answer,) = asked(openai_server, tmp_path, requests(1))
    assert openai_server.keys == [f"Bearer {KEY}"]
    body = openai_server.bodies[0]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("m", 0.0, 50)
    (entry,) = entries(tmp_path)
    assert entry.request == answer.request and entry.served_model == "scripted-1" and entry.status == "answered"
    assert (entry.prompt_tokens, entry.completion_tokens, entry.finish_reason) == (7, 5, "stop")
    assert KEY.encode() not in (tmp_path / FILE).read_bytes()
    ours = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith(("openai", "http")))
    assert KEY not in caplog.text and "prompt 0" not in ours


def test_null_parameters_are_not_sent_and_extra_ones_are(openai_server, tmp_path):
    llm = {"temperature": None, "max_tokens": None, "max_completion_tokens": 9, "extra": {"reasoning_effort": "low"}}
    asked(openai_server, tmp_path, requests(1), llm | {"seed": 7})
    sent = {name: value for name, value in openai_server.bodies[0].items() if name != "messages"}
    assert sent == {"model": "m", "seed": 7, "max_completion_tokens": 9, "reasoning_effort": "low"}


FORM = {"type": "object", "properties": {"terms": {"type": "array"}}, "required": ["terms"]}


def test_the_schema_of_an_answer_is_sent_if_configured(openai_server, tmp_path):
    wanted = [Request("terms", "prompt 0", "v1", schema=FORM), *requests(2)[1:]]
    asked(openai_server, tmp_path, wanted, {"json_schema": True}, concurrency=1)
    terms, rationale = openai_server.bodies
    strict = {"name": "terms", "strict": True, "schema": FORM}
    assert terms["response_format"] == {"type": "json_schema", "json_schema": strict}
    assert "response_format" not in rationale
    stored = [json.loads(entry.parameters) for entry in entries(tmp_path)]
    assert ["response_format" in parameters for parameters in stored] == [True, False]
    # Without the schema it is a different request.
    asked(openai_server, tmp_path, wanted, concurrency=1)
    assert openai_server.count == 3 and "response_format" not in openai_server.bodies[2]


def test_the_schema_is_part_of_the_identity_only_if_it_is_sent():
    bare, formed = requests(1)[0], Request("terms", "prompt 0", "v1", schema=FORM)
    other = Request("terms", "prompt 0", "v1", schema=FORM | {"required": []})
    assert key(bare) == key(bare, json_schema=True) == key(formed)
    assert len({key(r, json_schema=True) for r in (bare, formed, other)}) == 3


@pytest.mark.parametrize(
    "reply",
    [
        failure(400, "invalid_request_error", "This response_format type is unavailable now"),
        failure(422, message="response_format: unknown variant"),
    ],
)
def test_a_server_without_schemas_is_reported_with_the_setting(reply, openai_server, tmp_path):
    openai_server.script = [reply] * 9
    wanted = [Request("terms", f"prompt {i}", "v1", schema=FORM) for i in range(30)]
    fact = r"llm_transport.teacher: 0 of 30 .*; then: the server refuses response_format; set llms.teacher.json_schema"
    with pytest.raises(UserError, match=fact) as error:
        asked(openai_server, tmp_path, wanted, {"json_schema": True}, concurrency=1)
    assert openai_server.count == 1 and "\n" not in str(error.value) and not entries(tmp_path)


def test_an_unexplained_refusal_is_reported_with_a_possible_cause(openai_server, tmp_path):
    openai_server.script = [failure(400)] * 30
    wanted = [Request("terms", f"prompt {i}", "v1", schema=FORM) for i in range(30)]
    with pytest.raises(UserError, match=r"refuses every request .*; correct llms.teacher, perhaps json_schema"):
        asked(openai_server, tmp_path, wanted, {"json_schema": True}, concurrency=1)


def test_a_model_without_chat_template_gets_the_bare_prompt(openai_server, tmp_path):
    (answer,) = asked(openai_server, tmp_path, requests(1), {"endpoint": "completions"})
    assert openai_server.bodies[0]["prompt"] == "prompt 0" and answer.text == "answer to prompt 0"


def key(request: Request, **changes) -> str:
    return model("http://127.0.0.1/v1", Path(), changes).key(request)


def test_identity_of_a_request():
    request = requests(1)[0]
    changed = [{"model": "n"}, {"temperature": 0.5}, {"temperature": None}, {"provider": "template"}, {"seed": 1}]
    changed += [{"revision": "a"}, {"endpoint": "completions"}, {"extra": {"reasoning_effort": "low"}}]
    assert len({key(request), *(key(request, **c) for c in changed)}) == len(changed) + 1
    # The limits of length and repairs are not part of it: complete answers remain valid.
    assert key(request, repairs=3) == key(request, max_tokens=51) == key(request)
    assert key(Request("note_rationale", "prompt 0", "v2", {"a": 1})) == key(request)
    assert key(requests(2)[1]) != key(request)


def test_raising_the_limit_repeats_only_answers_that_were_cut(openai_server, tmp_path):
    openai_server.script = [lambda request: completion("half an ans", "length")] * 2
    first = asked(openai_server, tmp_path, requests(5), concurrency=1)
    assert [a.status for a in first] == ["flawed", *["good"] * 4] and openai_server.count == 6
    assert "cut off" in first[0].problems[0]
    assert asked(openai_server, tmp_path, requests(5), {"max_tokens": 20}) == first and openai_server.count == 6
    again = asked(openai_server, tmp_path, requests(5), {"max_tokens": 100})
    assert [a.status for a in again] == ["good"] * 5 and openai_server.count == 7


def entry(attempt: int, status="answered", finish="stop", limit=50, text="t") -> Entry:
    sent = json.dumps({"max_tokens": limit})
    return Entry("r", attempt, "terms", "m", "m", "v", sent, status, text, finish, 1, 1, 0.1, "2026-01-01")


def test_which_answers_count():
    def texts(*chain, limit=50):
        return [e.text for e in accepted_chain(list(chain), {"max_tokens": limit}, limit)]

    assert texts(entry(0, text="a"), entry(1, text="b")) == ["a", "b"]
    # Answers to the same request of another process: the first one stays, unless it was cut.
    assert texts(entry(0, text="a"), entry(1, text="b"), entry(0, text="c"), entry(1, text="d")) == ["a", "b"]
    cut = entry(0, finish="length", text="a")
    assert texts(cut, entry(1, text="b")) == ["a", "b"]
    assert texts(cut, entry(1, text="b"), entry(0, text="c", limit=60)) == ["c"]
    assert texts(cut, entry(0, finish="length", text="c")) == ["a"]
    assert texts(cut, entry(1, text="b"), limit=60) == []
    refused = entry(0, status="refused", text="")
    assert texts(refused) == [""] and texts(refused, limit=60) == []


def test_a_bad_answer_is_requested_again_with_the_problem(openai_server, tmp_path):
    openai_server.reply = lambda prompt: "good" if "too short" in prompt else "bad"
    check = lambda request, text: [] if text == "good" else ["too short"]  # noqa: E731
    (answer,) = asked(openai_server, tmp_path, requests(1), check=check)
    assert (answer.text, answer.problems) == ("good", ())
    assert [m["role"] for m in openai_server.bodies[1]["messages"]] == ["user", "assistant", "user"]


def test_an_answer_of_another_process_is_repaired(openai_server, tmp_path):
    """It is recorded first, while this process sends the same request; the chain of both is checked at the end."""
    wanted, name = requests(1), model(openai_server.url, tmp_path).key(requests(1)[0])

    def other(request):
        with Journal(tmp_path / FILE) as journal:
            for attempt in (0, 1):
                sent = '{"max_tokens": 50}'
                facts = ("terms", "m", "m", "v", sent, "answered", "bad", "stop", 1, 1, 0.1, "2026-01-01")
                journal.add(Entry(name, attempt, *facts))
        return completion("bad")

    openai_server.script = [other, lambda request: completion("good")]
    openai_server.reply = lambda prompt: "best"
    check = lambda request, text: ["too short"] if text == "bad" else []  # noqa: E731
    (answer,) = asked(openai_server, tmp_path, wanted, {"repairs": 2}, check=check)
    assert (answer.text, answer.status) == ("best", "good") and openai_server.count == 3


def test_after_the_repairs_the_answer_is_kept_and_counted(openai_server, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        answers = asked(openai_server, tmp_path, requests(3), check=lambda r, t: ["too short"])
    assert openai_server.count == 6 and {a.problems for a in answers} == {("too short",)}
    assert {a.status for a in answers} == {"flawed"} and "3 of 3 answers fail a check: too short" in caplog.text
    asked(openai_server, tmp_path, requests(3), check=lambda r, t: ["too short"])
    assert openai_server.count == 6


def test_an_answer_that_was_cut_off_is_a_bad_one(openai_server, tmp_path):
    openai_server.finish_reason = "length"
    (answer,) = asked(openai_server, tmp_path, requests(1))
    assert "cut off" in answer.problems[0] and answer.status == "flawed" and openai_server.count == 2


def test_a_remote_server_needs_a_key(monkeypatch, tmp_path):
    monkeypatch.delenv("TEST_KEY", raising=False)
    with pytest.raises(UserError, match="TEST_KEY"):
        model("https://192.0.2.1/v1", tmp_path).ask(requests(1), "mimic3", [], good)


def test_restricted_text_is_refused_before_anything_is_sent(openai_server, tmp_path):
    (tmp_path / "courses.parquet").touch()
    with pytest.raises(UserError, match=r"data_use: none does not permit .*restricted: .*courses.parquet: no record"):
        model(openai_server.url, tmp_path).ask(requests(1), "mimic3", [tmp_path / "courses.parquet"], good)
    assert openai_server.count == 0 and not (tmp_path / FILE).exists()


def test_the_template_stand_in_sends_nothing_and_is_labelled(openai_server, tmp_path):
    stand_in = LanguageModel("template", Llm(**(SETTINGS | {"provider": "template"})), None, tmp_path)
    slots = {"note": "fever cough infiltrate", "diagnoses": ["Shock"]}
    wanted = [Request("note_rationale", "p", "v", slots)]
    (answer,), facts = stand_in.ask(wanted, "mimic3", [], good)
    assert answer.text.startswith("Based on the medical notes, the patient was diagnosed with Shock.")
    assert "fever, cough and infiltrate" in answer.text
    assert openai_server.count == 0 and facts.stand_ins == {"template LLM"}


def test_template_note_rationales_depend_on_the_corpus_but_not_on_other_requests():
    notes = [f"common words {text} more text that every note has" for text in ("fever lobar", "fever melena", "melena")]
    slots = [{"note": note, "diagnoses": [], "corpus": notes} for note in notes]
    wanted = [Request("note_rationale", s["note"], "v", s) for s in slots]
    texts = template.compose(wanted)
    assert texts == [text for request in wanted for text in template.compose([request])]
    assert all("no disease was diagnosed" in t for t in texts)
    other = Request("note_rationale", notes[0], "v", slots[0] | {"corpus": [*notes, "lobar"]})
    assert template.compose([other]) != texts[:1]


def test_template_quotes_the_words_that_fewest_notes_share():
    from collections import Counter

    frequency = Counter({"common": 9, "fever": 2, "melena": 3, "unheard": 1})
    assert template.salient("unheard common fever melena", frequency, 2) == ["fever", "melena"]


def test_template_lab_rationale_is_one_short_sentence():
    captions = " ".join(f"variable number {i} is higher than normal twenty two times." for i in range(11))
    text = template.lab_rationale(captions + " ph is normal all the time.", ["Shock", "Pneumonia"] * 5)
    assert text.startswith("Lab test shows") and len(text.split()) <= 50
    assert text.count(".") == 1 and "ph is normal" not in text
    assert "ph is lower" in template.lab_rationale("ph is lower than normal one times.", ["Shock"])
    assert "no disease" in template.lab_rationale("ph is normal all the time.", [])


def test_template_diagnoses_have_a_distinctive_word_in_note_or_captions():
    names = ["Shock", "Essential hypertension", "Hypertension with complications", "Septicemia (except in labor)"]
    slots = {"note": "septic SHOCK with hypertension", "captions": "essential", "phenotypes": names}
    alone, both = template.compose(
        [Request("diagnosis", "p", "v", slots), Request("diagnosis_rationale", "p", "v", slots)]
    )
    assert alone == "Shock\nEssential hypertension"
    first, second = both.splitlines()
    assert first == "Diagnoses: Shock; Essential hypertension"
    assert second.startswith("Note rationale: Based on the medical notes, the patient was diagnosed with Shock and")
    nothing = slots | {"note": "fever", "captions": ""}
    assert template.compose([Request("diagnosis", "p", "v", nothing)]) == ["no disease was diagnosed"]


def test_template_terms_occur_in_the_document():
    document = "Fever and cough. Fever with productive cough and fever."
    terms = template.terms(document, 4)
    assert terms[0] == "fever" and "productive cough" in terms and len(terms) == 4
