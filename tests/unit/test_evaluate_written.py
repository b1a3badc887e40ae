"""Texts of systems about cases, and their blinded form for raters."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinragen.errors import UserError
from clinragen.evaluate.written import Written, blinded, of_cases, written_by_model, written_by_teacher
from clinragen.schemas.predictions import PREDICTIONS, row_without_text
from clinragen.schemas.rationale import RATIONALES

VARIANTS = ["A b.", " A\n b. ", "**A** b.", "Note rationale: A b.", "**Rationale**:\n\nA b.", "# A `b.`"]


def predictions(**changes) -> pa.Table:
    row = dict.fromkeys(PREDICTIONS.schema.names) | row_without_text(1, ["Shock"], []) | changes
    return pa.Table.from_pylist([row], PREDICTIONS.schema)


def teacher(tmp_path, **texts):
    """Tables of rationales by name, of the stays 1, 2, ..."""
    for name, own in texts.items():
        rows = [
            {"stay_id": n, "request": "r", "text": t, "status": "good", "note_cut": 0} for n, t in enumerate(own, 1)
        ]
        RATIONALES.write(pa.Table.from_pylist(rows, RATIONALES.schema), tmp_path / f"{name}.parquet")
    return [tmp_path / f"{name}.parquet" for name in texts]


def test_a_text_looks_the_same_whoever_wrote_it():
    assert {blinded(text) for text in VARIANTS} == {"A b."} and blinded(None) == ""
    assert {Written(text, None).blinded for text in VARIANTS} == {("A b.", "")}


@given(st.text())
def test_nothing_of_the_layout_is_left(text):
    shown = blinded(text)
    assert not set(shown) & set("*_`#") and shown.split() == (shown.split(" ") if shown else [])


def test_texts_of_a_model_stay_as_they_are_until_they_are_blinded():
    (own,) = written_by_model(predictions(note_rationale=" a\n b ", end="limit")).values()
    assert own == Written(" a\n b ", None, ["Shock"], [], True) and own.blinded == ("a b", "")
    (given_them,) = written_by_model(predictions(readable=None)).values()
    assert given_them.predicted is None and given_them.at_limit is None and given_them.blinded.missing


def test_a_teacher_may_have_no_lab_rationales_but_not_some(tmp_path):
    notes, labs = teacher(tmp_path, notes=["a", ""], labs=["c", "d"])
    assert written_by_teacher(notes, labs) == {1: Written("a", "c"), 2: Written(None, "d")}
    assert written_by_teacher(notes) == {1: Written("a", None), 2: Written(None, None)}
    (short,) = teacher(tmp_path, short=["c"])
    with pytest.raises(UserError, match=r"short\.parquet: 1 of 2 cases have no row"):
        written_by_teacher(notes, short)


def test_a_case_without_a_row_is_an_error():
    assert of_cases({1: "a", 2: "b"}, [2, 1], "x") == ["b", "a"]
    with pytest.raises(UserError, match="x: 2 of 3 cases have no row"):
        of_cases({1: "a"}, [1, 2, 3], "x")
