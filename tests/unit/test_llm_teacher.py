"""Asking: identity of a request, repairs, order, and what is sent."""

import json
import logging

import pytest

from clinragen.config.teacher import Teacher, Transport
from clinragen.errors import UserError
from clinragen.llm import template_teacher
from clinragen.llm.request import Request, request_hash
from clinragen.llm.teacher import ask

TEACHER = Teacher(provider="openai", model="m", temperature=0.0, max_tokens=50, repairs=1)
KEY = "sk-very-secret-1234567890"


def transport(url: str, **changes) -> Transport:
    values = {
        "base_url": url,
        "api_key_variable": "TEST_KEY",
        "concurrency": 4,
        "retries": 2,
        "timeout_seconds": 5,
        "data_use": "none",
    }
    return Transport(**(values | changes))


def requests(number: int) -> list[Request]:
    return [Request("note_rationale", f"prompt {i}", "v1") for i in range(number)]


def good(request: Request, text: str) -> list[str]:
    return []


def asked(server, journal, wanted, teacher=TEACHER, check=good, **changes):
    answers, _ = ask(wanted, teacher, transport(server.url, **changes), journal, "mimic3", "synthetic", check)
    return answers


def test_answers_come_in_order_and_once(openai_server, tmp_path):
    wanted = requests(9)
    answers = asked(openai_server, tmp_path / "j", [*wanted, wanted[0]])
    assert [a.text for a in answers] == [f"answer to prompt {i}" for i in [*range(9), 0]]
    assert openai_server.count == 9
    assert asked(openai_server, tmp_path / "j", wanted) == answers[:9]
    assert openai_server.count == 9


def test_what_is_sent_and_written_down(openai_server, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TEST_KEY", KEY)
    with caplog.at_level(logging.DEBUG):
        (answer,) = asked(openai_server, tmp_path / "j", requests(1))
    assert openai_server.keys == [f"Bearer {KEY}"]
    body = openai_server.bodies[0]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("m", 0.0, 50)
    line = json.loads((tmp_path / "j").read_text())
    assert line["request"] == answer.request and line["served_model"] == "scripted-1"
    assert (line["prompt_tokens"], line["completion_tokens"], line["finish_reason"]) == (7, 5, "stop")
    assert KEY not in (tmp_path / "j").read_text()
    ours = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith(("openai", "http")))
    assert KEY not in caplog.text and "prompt 0" not in ours


def test_identity_of_a_request():
    request = requests(1)[0]
    base = request_hash(request, TEACHER)
    changed = [{"model": "n"}, {"temperature": 0.5}, {"max_tokens": 51}, {"provider": "template"}]
    assert all(request_hash(request, TEACHER.model_copy(update=c)) != base for c in changed)
    assert request_hash(Request("note_rationale", "prompt 0", "v2"), TEACHER) != base
    # How many repairs are allowed is no part of it: answers that are there stay good.
    assert request_hash(request, TEACHER.model_copy(update={"repairs": 3})) == base
    assert request_hash(Request("note_rationale", "prompt 0", "v1", {"a": 1}), TEACHER) == base


def test_a_bad_answer_is_asked_for_again_with_the_reason(openai_server, tmp_path):
    openai_server.reply = lambda prompt: "good" if "too short" in prompt else "bad"
    check = lambda request, text: [] if text == "good" else ["too short"]  # noqa: E731
    (answer,) = asked(openai_server, tmp_path / "j", requests(1), check=check)
    assert (answer.text, answer.problems) == ("good", ())
    assert [m["role"] for m in openai_server.bodies[1]["messages"]] == ["user", "assistant", "user"]


def test_after_the_repairs_the_answer_is_kept_and_counted(openai_server, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        answers = asked(openai_server, tmp_path / "j", requests(3), check=lambda r, t: ["too short"])
    assert openai_server.count == 6 and {a.problems for a in answers} == {("too short",)}
    assert "3 of 3 answers kept despite failing a check: too short" in caplog.text
    asked(openai_server, tmp_path / "j", requests(3), check=lambda r, t: ["too short"])
    assert openai_server.count == 6


def test_an_answer_that_was_cut_off_is_a_bad_one(openai_server, tmp_path):
    openai_server.finish_reason = "length"
    (answer,) = asked(openai_server, tmp_path / "j", requests(1))
    assert "max_tokens" in answer.problems[0] and openai_server.count == 2


def test_a_foreign_server_needs_a_key(monkeypatch, tmp_path):
    monkeypatch.delenv("TEST_KEY", raising=False)
    far = transport("https://192.0.2.1/v1")
    with pytest.raises(UserError, match="TEST_KEY"):
        ask(requests(1), TEACHER, far, tmp_path / "j", "mimic3", "synthetic", good)


def test_restricted_text_is_refused_before_anything_is_sent(openai_server, tmp_path):
    with pytest.raises(UserError, match="data_use"):
        ask(requests(1), TEACHER, transport(openai_server.url), tmp_path / "j", "mimic3", "folder", good)
    assert openai_server.count == 0 and not (tmp_path / "j").exists()


def test_the_template_stand_in_sends_nothing_and_says_so(openai_server, tmp_path):
    teacher = TEACHER.model_copy(update={"provider": "template"})
    slots = {"note": "fever cough infiltrate", "diagnoses": ["Shock"]}
    wanted = [Request("note_rationale", "p", "v", slots)]
    (answer,), facts = ask(wanted, teacher, transport(openai_server.url), tmp_path / "j", "mimic3", "folder", good)
    assert answer.text.startswith("Based on the medical notes, the patient was diagnosed with Shock.")
    assert "fever, cough and infiltrate" in answer.text
    assert openai_server.count == 0 and facts.stand_ins == {"template teacher"}


def test_template_note_rationales_depend_on_all_notes():
    notes = ["common words fever lobar", "common words fever melena", "common words melena lobar"]
    wanted = [Request("note_rationale", n, "v", {"note": n, "diagnoses": []}) for n in notes]
    texts = template_teacher.compose(wanted)
    assert texts == template_teacher.compose(wanted)
    assert all("no disease was diagnosed" in t for t in texts)


def test_template_quotes_the_words_that_fewest_notes_share():
    from collections import Counter

    frequency = Counter({"common": 9, "fever": 2, "melena": 3, "unheard": 1})
    assert template_teacher.salient("unheard common fever melena", frequency, 2) == ["fever", "melena"]


def test_template_lab_rationale_is_one_short_sentence():
    captions = " ".join(f"variable number {i} is higher than normal twenty two times." for i in range(11))
    text = template_teacher.lab_rationale(captions + " ph is normal all the time.", ["Shock", "Pneumonia"] * 5)
    assert text.startswith("Lab test shows") and len(text.split()) <= 50
    assert text.count(".") == 1 and "ph is normal" not in text
    assert "ph is lower" in template_teacher.lab_rationale("ph is lower than normal one times.", ["Shock"])
    assert "no disease" in template_teacher.lab_rationale("ph is normal all the time.", [])


def test_template_terms_stand_in_the_document():
    document = "Fever and cough. Fever with productive cough and fever."
    found = template_teacher.terms(document, 4)
    assert found[0] == "fever" and "productive cough" in found and len(found) == 4
