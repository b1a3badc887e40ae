"""The page of costs: sums by model, the price of 1,000 requests, and what is unknown stays unknown."""

import re
from html import unescape

import pyarrow as pa
from pages import templates

from clinragen.evaluate.costs_page import costs_page, key_of, total
from clinragen.schemas.costs import COSTS


def row(**changes: object) -> dict:
    same = {"stage": "note_rationale", "dataset": "mimic3", "llm": "teacher", "provider": "openai", "model": "gpt-x"}
    numbers = {"requests": 2000, "answers": 2100, "not_in_journal": 0, "input_tokens": 5_000_000}
    rest = {"served_models": "gpt-x-2026", "output_tokens": 70_000, "dollars": 8.0, "seconds": 90.0, "marked": 0.25}
    return same | numbers | rest | changes


ROWS = [
    row(),
    row(stage="terms", dataset=None, requests=50, answers=40, not_in_journal=15, dollars=None, marked=None),
    row(stage="asked/zero-shot", llm="other", requests=100, answers=100, dollars=3.5),
    row(stage="lab_rationale/cut", dataset="mimic4", llm="other"),
]


def page(rows: list[dict], stand_ins: tuple[str, ...] = ()) -> str:
    table = COSTS.check(pa.Table.from_pylist(rows, COSTS.schema), "test")
    titles = {"mimic3": "MIMIC-III", "mimic4": "MIMIC-IV"}
    return costs_page(table, titles, list(stand_ins), "results/x", templates("costs"))


def lines(text: str) -> list[list[str]]:
    """The cells of every row of the tables, without markup."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", text, re.DOTALL)
    cells = (re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows)
    return [[" ".join(unescape(re.sub("<[^>]*>", " ", cell)).split()) for cell in own] for own in cells]


def test_each_model_has_its_sums_and_one_unknown_price_makes_them_unknown():
    found = lines(page(ROWS))
    assert ["teacher gpt-x", "2,050", "2,035", "2,140", "105", "10,000,000", "140,000", "–"] in found
    assert ["other gpt-x", "2,100", "2,100", "2,200", "100", "10,000,000", "140,000", "11.50"] in found
    assert "<b>unknown</b><span>in total</span>" in page(ROWS)
    assert "<b>$11.50</b><span>in total</span>" in page(ROWS[2:])


def test_each_purpose_has_its_price_for_1000_requests():
    found = lines(page(ROWS))
    notes = ["rationales from notes", "MIMIC-III", "teacher gpt-x-2026", "2,000", "2,100", "5,000,000", "70,000"]
    assert [*notes, "8.00", "4.00", "25.0 %"] in found
    terms = ["key terms", "public documents", "teacher gpt-x-2026", "50", "40", "5,000,000", "70,000"]
    assert [*terms, "–", "–", "hidden"] in found
    assert {"answers, zero-shot", "rationales from labs, cut"} <= {own[0] for own in found}


def test_money_links_to_the_row_in_the_lineage():
    text = page(ROWS)
    for place in ("note_rationale/mimic3/teacher", "terms/teacher", "asked/zero-shot/mimic3/other"):
        assert f'href="../audit/lineage.html#tables/costs.csv/{place}"' in text, place
    assert key_of(ROWS[1]) == {"stage": "terms", "llm": "teacher"}


def test_stand_ins_cost_nothing_and_the_page_says_so():
    made = row(provider="template", answers=0, input_tokens=0, output_tokens=0, dollars=0.0, seconds=0.0)
    text = page([made], ("template LLM",))
    assert "All answers are by stand-ins" in text and "<b>$0.00</b>" in text
    assert lines(text)[3][:2] == ["rationales from notes", "MIMIC-III"] and lines(text)[3][-2] == "–"
    assert "All answers are by stand-ins" not in page([made, row(stage="judge")], ("template LLM",))


def test_the_sum_of_no_rows_is_zero():
    assert total([])["dollars"] == 0 and total([])["real"] == []
