"""Key terms: lenient reading, strict acceptance, rounds that end."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinragen.config.knowledge import Terms
from clinragen.errors import UserError
from clinragen.knowledge.documents import Document
from clinragen.knowledge.terms import PROMPT_SLOTS, accepted, check, extract, normalised, parse, readable, request_for
from clinragen.llm.prompt import read_prompt
from clinragen.llm.request import Answer

SETTINGS = Terms(batch=1, stable_rounds=2, max_terms=5, max_characters=1000)


@pytest.fixture
def prompt(tmp_path):
    path = tmp_path / "p.txt"
    path.write_text("$disease|$document|$most")
    return read_prompt(path, PROMPT_SLOTS)


def document(number: int, text: str, source: str = "pubmed", phenotype: str = "Shock") -> Document:
    return Document(phenotype, source, f"{source}-{number}", number, "title", text)


def answering(terms_of):
    """A teacher that answers each document with `terms_of(text)`, and the texts that it saw."""
    seen = []

    def ask(requests):
        seen.append([r.slots["document"].split("\n")[1] for r in requests])
        return [Answer("h", json.dumps(terms_of(text))) for text in seen[-1]]

    return ask, seen


@given(st.lists(st.text()), st.text(alphabet=st.characters(exclude_characters="[]")), st.text())
def test_a_list_is_found_whatever_stands_around_it(terms, before, after):
    assert parse(f"{before}{json.dumps(terms)}{after}") == terms


@given(st.text())
def test_any_text_gives_a_list_or_a_value_error(text):
    try:
        assert all(isinstance(term, str) for term in parse(text))
    except ValueError:
        assert accepted(text, text) == []


@given(st.lists(st.text(max_size=20)), st.text())
def test_accepted_terms_stand_in_the_document_once_and_normalised(terms, text):
    found = accepted(json.dumps(terms), text)
    assert len(set(found)) == len(found)
    for term in found:
        assert normalised(term) == term and f" {term} " in f" {normalised(text)} "


@pytest.mark.parametrize(
    "answer", ['```json\n["Fever"]\n```', '{"terms": ["fever"]}', 'See [1]. ["FEVER", "fever"]', '["fever.", "42"]']
)
def test_forms_that_models_like(answer):
    assert accepted(answer, "High fever, 42 days") == ["fever"]


@pytest.mark.parametrize("answer", ["", "fever, cough", "[1, 2]", '["fever"', '[["fever"', "[" * 5000])
def test_garbage_is_named(prompt, answer):
    request = request_for(document(1, "fever"), SETTINGS, prompt)
    assert check(request, answer) == ["it is not a JSON list of strings"]


def test_terms_from_elsewhere_are_named(prompt):
    request = request_for(document(1, "feverish"), SETTINGS, prompt)
    assert check(request, '["fever"]') == ["none of the terms appears in the document"]
    assert check(request, "[]") == [] == check(request, '["feverish"]')


def test_rounds_go_on_until_nothing_new_comes(prompt):
    texts = ["lactate", "pressure lactate", "lactate", "pressure", "norepinephrine"]
    ask, seen = answering(str.split)
    found = extract([document(i, t) for i, t in enumerate(texts, 1)], SETTINGS, prompt, ask)
    # Rounds 3 and 4 bring nothing: the fifth document is not looked at.
    assert [len(s) for s in seen] == [1, 1, 1, 1]
    assert [(t.term, t.round, t.identifier) for t in found] == [("lactate", 1, "pubmed-1"), ("pressure", 2, "pubmed-2")]


def test_sources_alternate_and_phenotypes_share_a_round(prompt):
    documents = [document(i, f"a{i}bc") for i in (1, 2)] + [document(1, "wiki", "wikipedia")]
    documents += [document(1, "other", phenotype="Pneumonia")]
    ask, seen = answering(str.split)
    found = extract(documents, SETTINGS, prompt, ask)
    assert seen == [["a1bc", "other"], ["wiki"], ["a2bc"]]
    assert readable(found).to_pylist()[0] == {"phenotype": "Shock", "number": 3, "terms": "a1bc; a2bc; wiki"}


def test_a_phenotype_without_terms_is_an_error(prompt):
    ask, _ = answering(lambda text: [])
    with pytest.raises(UserError, match="Shock"):
        extract([document(1, "fever")], SETTINGS, prompt, ask)


def test_long_documents_are_cut(prompt):
    settings = SETTINGS.model_copy(update={"max_characters": 100})
    assert len(request_for(document(1, "x" * 500), settings, prompt).slots["document"]) == 100
