"""The forms: blind, self-contained, escaped, and clear about who may open them."""

import json
import re

import pytest
from pages import TEMPLATES, templates
from study import SCRIPT, SYSTEMS, WORDING, WORDS, design, study

from clinragen.errors import UserError
from clinragen.evaluate.study.forms import kit_page, raters_of, study_form, study_key
from clinragen.evaluate.study.wording import read_wording

FORM = [*templates("study_form"), TEMPLATES / "study_form.css", TEMPLATES / "study_form.js"]


@pytest.fixture(scope="module")
def planned():
    return study()


def form(planned, rater="R01", source="synthetic") -> str:
    return study_form(planned, rater, "MIMIC-III", source, FORM)


def data_of(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])


def test_forms_reveal_neither_system_stay_nor_kind_of_item(planned):
    for rater in raters_of(planned.items):
        html = form(planned, rater)
        assert not re.search("|".join(SYSTEMS[1:]), html, re.IGNORECASE) and not re.search(r"\bGT\b", html)
        assert not re.search(r"\b2000\d\d\b", html), "stays"
        data = data_of(html)
        assert {tuple(sorted(item)) for item in data["items"]} == {("diagnoses", "item", "labs", "note", "texts")}
        rated = [text for item in data["items"][1:] for text in item["texts"]]
        assert {tuple(sorted(text)) for text in rated} == {("lab", "letter", "note")}


def test_the_key_maps_the_letters_of_a_form_to_the_systems(planned):
    key = {(r["rater"], r["item"], r["letter"]): r for r in study_key(planned).to_pylist()}
    letters = {system: set() for system in SYSTEMS}
    for rater in raters_of(planned.items):
        for item in data_of(form(planned, rater))["items"][1:]:
            for text in item["texts"]:
                row = key.pop((rater, item["item"], text["letter"]))
                if row["kind"] == "attention":
                    assert f"with {row['expected']} (" in text["note"] and row["system"] is None
                else:
                    assert text["note"] == f"Because of {WORDS[row['system']]} {row['stay_id'] % 100}."
                    assert item["note"] == f"the note of {row['stay_id'] % 100}"
                    letters[row["system"]].add(text["letter"])
    assert not key, "every row of the key is in a form"
    assert all(len(found) == 5 for found in letters.values()), "every system under every letter"


def test_script_tags_in_notes_stay_text():
    html = form(study(note=SCRIPT))
    assert SCRIPT not in html and "<script>window" not in html
    assert data_of(html)["items"][1]["note"].startswith(SCRIPT)
    assert html.count("<script") == 2 and html.count("</script>") == 2


def test_a_form_is_self_contained_and_may_load_nothing(planned):
    html = form(planned)
    assert "default-src 'none'" in html
    assert not re.search(r"""(?:src|href)\s*=\s*["']|url\(|@import|https?://|fetch\(|XMLHttpRequest|sendBeacon""", html)


@pytest.mark.parametrize("source", ["folder", "synthetic", "open-demo"])
def test_form_and_kit_say_who_may_open_them(planned, source):
    kit = kit_page(planned, "MIMIC-III", source, design(), [], templates("study_kit"))
    for page in (form(planned, source=source), kit):
        words = " ".join(page.split())
        assert ("credentialed PhysioNet access" in words) == (source == "folder")
        assert ("may be shared" in words or "may be passed on" in words) == (source != "folder")
    assert all(f"forms/form-{rater}.html" in kit for rater in ("R01", "R02", "R03"))


def test_a_missing_text_is_shown_as_missing_and_is_in_the_key():
    planned = study(empty=frozenset({("Mistral", 200001 + n) for n in range(40)}))
    key = study_key(planned).to_pylist()
    assert {row["without_text"] for row in key if row["system"] == "Mistral"} == {True}
    assert {row["without_text"] for row in key if row["system"] != "Mistral"} == {False}


def test_the_name_of_a_study_depends_on_everything_that_raters_see(planned):
    others = [study(seed=2), study(note="x"), study(raters=4), study(cases=11), study(systems=SYSTEMS[:4])]
    names = {planned.name, *(other.name for other in others)}
    assert len(names) == 6 and study().name == planned.name
    assert all(re.fullmatch(r"study-[0-9a-f]{12}", name) for name in names)


def test_a_wording_without_a_criterion_is_refused(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(WORDING.model_dump() | {"criteria": {"correctness": "x"}}), encoding="utf-8")
    with pytest.raises(UserError, match="expected the criteria correctness, readability"):
        read_wording(path)
