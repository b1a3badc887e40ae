"""The paper's Table 5: sentences of captions, counted."""

import re
from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from pages import templates
from toy_student import ROOT

from clinragen.benchmark.captions import caption
from clinragen.evaluate.paper.captions import (
    read_templates,
    sentences,
    shown_templates,
    templates_page,
    templates_table,
)
from clinragen.evaluate.paper.forms import to_latex, to_markdown
from clinragen.registry.variables import read_variables
from clinragen.schemas.benchmark import CAPTIONS
from clinragen.schemas.paper import TEMPLATES

PAPER = read_templates(ROOT / "resources/paper_table5.csv")
NAMES = [variable.name for variable in read_variables(ROOT / "resources/variables.csv")]
COUNTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=len(NAMES), max_size=len(NAMES))


def condition(high: int, low: int) -> str:
    return "both" if high and low else "higher" if high else "lower" if low else "normal"


@given(COUNTS)
def test_our_captions_are_the_papers_sentences_and_nothing_else(counts):
    text = " ".join(caption(name, *pair) for name, pair in zip(NAMES, counts, strict=True))
    expected = [(condition(*pair), name) for name, pair in zip(NAMES, counts, strict=True)]
    assert sentences(text, PAPER, NAMES) == (expected, True)


def test_other_sentences_are_told_from_the_papers():
    for text in (
        "pH is lower than normal.",
        "pH is lower than normal 2 times. And more.",
        "Lactate is normal all the time.",
        "The pH is normal all the time.",
        "pH is normal all the time",
    ):
        assert not sentences(text, PAPER, NAMES)[1], text


def table(texts: dict[int, str], patients: dict[int, int] | None = None) -> pa.Table:
    captions = pa.table({"stay_id": list(texts), "text": list(texts.values())}, schema=CAPTIONS.schema)
    found = templates_table("MIMIC-III", captions, patients or {stay: stay for stay in texts}, PAPER, NAMES)
    return TEMPLATES.check(found, "test")


def cells(found: pa.Table) -> dict[tuple[str, str], int | None]:
    return {(row["variable"], row["condition"]): row["sentences"] for row in found.to_pylist()}


def test_counts_are_those_of_an_independent_count():
    texts = {
        n: f"pH is {'higher' if n % 2 else 'lower'} than normal {n} times. "
        f"Glucose is {'normal all the time' if n % 3 else 'higher than normal 2 times and lower than normal 1 times'}."
        for n in range(1, 101)
    }
    found = cells(table(texts))
    plain = Counter()
    for text in texts.values():
        for sentence in re.split(r"(?<=\.) ", text):
            name, rest = sentence.split(" is ", 1)
            kind = "both" if " and " in rest else rest.split(" ")[0]
            plain[name, kind] += 1
    for name in ("pH", "Glucose"):
        for kind in PAPER:
            assert found[name, kind] == plain[name, kind]
    assert [found["all", kind] for kind in ("normal", "higher", "lower", "both")] == [67, 50, 50, 33]
    assert {row["verdict"] for row in table(texts).to_pylist()} == {"agrees"}
    assert ("Heart Rate", "normal") not in found  # not read in this run


def test_few_patients_are_hidden_with_what_would_reveal_them():
    texts = {n: f"pH is {'lower than normal 1 times' if n < 5 else 'normal all the time'}." for n in range(60)}
    found = cells(table(texts))
    # Four patients: their count, that of the rest, which the known sum would reveal, and both sums of all variables.
    assert [found["pH", kind] for kind in PAPER] == [None, 0, None, 0]
    assert [found["all", kind] for kind in PAPER] == [None, 0, None, 0]
    one = cells(table({n: "pH is normal all the time." for n in range(60)}, dict.fromkeys(range(60), 7)))
    assert one["pH", "normal"] is None  # 60 stays of one patient


def test_stays_that_are_no_samples_do_not_count():
    texts = {n: "pH is normal all the time." for n in range(30)} | {99: "something else"}
    found = table(texts, {n: n for n in range(30)})
    assert cells(found)["pH", "normal"] == 30 and found["verdict"][0].as_py() == "agrees"


def test_other_sentences_make_the_table_differ_and_are_counted():
    texts = {n: "pH is normal all the time. <b>Odd</b>." for n in range(20)}
    found = table(texts)
    assert {row["verdict"] for row in found.to_pylist()} == {"differs"} and cells(found)["all", "other"] == 20
    page = templates_page(found, ["synthetic cohort"], templates("templates"))
    assert "Some captions have other" in page and "synthetic cohort" in page
    shown = shown_templates(found, ["synthetic cohort"])
    assert r"{Lab features} is normal all the time." in to_markdown(shown)
    assert r"\{Lab features\} is normal all the time." in to_latex(shown)
