"""Evidence from our tables, and the page of the claims."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pages import templates

from clinragen.config.paper import Configured
from clinragen.evaluate.paper.claims import assess
from clinragen.evaluate.paper.claims_page import claims_page
from clinragen.evaluate.paper.contradictions import find_contradictions
from clinragen.evaluate.paper.evidence import Cell, Evidence, Lacking
from clinragen.evaluate.paper.missing import Missing
from clinragen.evaluate.paper.register import read_claims
from clinragen.evaluate.paper.sources import (
    NUMBERS,
    PRINTED,
    SCHEMAS,
    files_behind,
    our_evidence,
    printed_evidence,
    printed_in_text,
)
from clinragen.registry.paper_rows import read_paper_rows
from clinragen.schemas.ratings import AS_WRITTEN, CRITERIA

RESOURCES = Path(__file__).parents[2] / "resources"
CLAIMS = read_claims(RESOURCES / "claims.yaml")
ROWS = {
    "table1": {"ClinRaGen": "ClinRaGen"},
    "table2": {"ClinRaGen": "ClinRaGen", "w/o KNOW": "w/o KNOW"},
    "table6": {"ClinRaGen": "Flan-T5-0.1B, ClinRaGen, ChatGPT"},
}


def evidence(directory: Path, **tables: list[dict[str, Any]]) -> Evidence:
    """The evidence in such tables, of a run that has one row of table 1."""
    files = []
    for name, rows in tables.items():
        files.append(directory / f"{name}.csv")
        full = [dict.fromkeys(SCHEMAS[name].schema.names) | row for row in rows]
        SCHEMAS[name].write(pa.Table.from_pylist(full, schema=SCHEMAS[name].schema), files[-1])
    configured = Configured(datasets=["MIMIC-III"], keys=["models.clinragen"])
    rows = RESOURCES / "paper_rows.csv"
    missing = {number: Missing(read_paper_rows(rows, number), configured) for number in NUMBERS.values()}
    return our_evidence(files, ROWS, missing)


def score(model: str, value: float, **other: object) -> dict[str, Any]:
    row = {"dataset": "MIMIC-III", "model": model, "metric": "micro_f1", "value": value, "n_seeds": 5, "std": 0.01}
    row |= {"low": value - 0.1, "high": value + 0.1, "sampling_error": 0.05, "samples": 100, "patients": 90}
    return row | other


def of_table(source: str, row: str) -> Cell:
    return Cell(source, "MIMIC-III", row, "micro_f1")


def test_a_score_is_in_every_table_that_has_the_row(tmp_path):
    found = evidence(tmp_path, intervals=[score("ClinRaGen", 0.6), score("w/o KNOW", 0.5), score("other", 0.1)])
    assert set(found.values) == {
        of_table("table1", "ClinRaGen"),
        of_table("table2", "ClinRaGen"),
        of_table("table2", "w/o KNOW"),
        of_table("table6", "Flan-T5-0.1B, ClinRaGen, ChatGPT"),
    }


def test_a_comparison_has_precedence_over_the_intervals_of_both(tmp_path):
    pair = {"dataset": "MIMIC-III", "metric": "micro_f1", "model": "ClinRaGen", "other": "w/o KNOW"}
    pair |= {"difference": 0.1, "low": 0.08, "high": 0.12, "p_patients": 0.01, "p_patients_holm": 0.02}
    pair |= {"p_welch": 0.03, "detectable": 0.01}
    scores = [score("ClinRaGen", 0.6), score("w/o KNOW", 0.5)]
    a, b = (of_table("table2", row) for row in ("ClinRaGen", "w/o KNOW"))
    alone = evidence(tmp_path, intervals=scores)
    assert alone.difference(a, b) == pytest.approx((0.1, -0.1, 0.3))
    both = evidence(tmp_path, intervals=scores, comparisons=[pair])
    assert both.difference(a, b) == (0.1, 0.08, 0.12) and both.difference(b, a) == (-0.1, -0.12, -0.08)
    assert both.p_value(b, a) == 0.03 != alone.p_value(a, b)


def test_a_missing_row_says_how_to_make_it_as_the_tables_do(tmp_path):
    found = evidence(tmp_path, intervals=[score("ClinRaGen", 0.6)])
    with pytest.raises(Lacking) as error:
        found.value(of_table("table1", "FROZEN"))
    assert error.value.gap.what == "FROZEN" and "models.frozen" in error.value.gap.how
    with pytest.raises(Lacking) as error:
        found.value(of_table("table6", "OPT-0.1B, ClinRaGen, DeepSeek"))
    assert "config/table6.yaml" in error.value.gap.how


def rating(rater: str, system: str, value: float, criterion: str, **other: object) -> dict[str, Any]:
    row = {"dataset": "both", "rater": rater, "system": system, "condition": AS_WRITTEN, "criterion": criterion}
    return row | {"mean": value, "low": value - 0.1, "high": value + 0.1} | other


def test_the_first_judge_is_that_of_the_figure_and_controls_do_not_count(tmp_path):
    rows = [rating("first", "ClinRaGen", 4.0, criterion) for criterion in CRITERIA]
    rows += [rating("second", "ClinRaGen", 1.0, criterion) for criterion in CRITERIA]
    rows += [rating("first", "ClinRaGen", 2.0, CRITERIA[0], condition="wrong diagnoses")]
    rows += [rating("first", "ClinRaGen", 3.0, CRITERIA[0], dataset="MIMIC-III")]
    rows += [rating("first", "LLaMA3", 4.5, criterion) for criterion in CRITERIA[1:]]
    rows += [rating("first", "LLaMA3", 4.5, CRITERIA[0], mean=None, low=None, high=None)]
    found = evidence(tmp_path, judge=rows)
    assert found.value(Cell("judge", "both", "ClinRaGen", "correctness")).value == 4.0
    assert found.value(Cell("judge", "both", "ClinRaGen", "overall")) == pytest.approx((4.0, 3.9, 4.1))
    with pytest.raises(Lacking):  # one of five is hidden
        found.value(Cell("judge", "both", "LLaMA3", "overall"))


def test_a_study_of_one_dataset_is_that_of_the_paper(tmp_path):
    rows = [rating("people", "ClinRaGen", 4.0, criterion, dataset="MIMIC-IV") for criterion in CRITERIA]
    agreement = {"dataset": "MIMIC-IV", "raters": "people", "statistic": "ICC(A,1)", "n": 9}
    agreement |= {"value": 0.6, "low": 0.55, "high": 0.7}
    given = [agreement | {"criterion": "all"}, agreement | {"criterion": "soundness", "value": 0.1}]
    found = evidence(tmp_path, study=rows, study_agreement=given)
    assert found.value(Cell("people", "both", "ClinRaGen", "overall")).value == 4.0
    assert found.value(Cell("agreement", "both", "people", "ICC(A,1)")).value == 0.6


@pytest.mark.parametrize(("hardware", "decidable"), [("2 A100", True), ("1 H100", False)])
def test_times_of_different_hardware_are_not_compared(tmp_path, hardware, decidable):
    usual = {"dataset": "all", "jobs": 1, "runs": 1, "verdict": "x", "wall_seconds": 10.0}
    rows = [
        usual | {"stage": "ClinRaGen - 84M Tuning", "hardware": "2 A100"},
        usual | {"stage": "LlaMA - 7B Tuning", "hardware": hardware, "wall_seconds": 40.0},
    ]
    found = evidence(tmp_path, table3=rows)
    cell = Cell("times", "all", "LlaMA - 7B Tuning", "seconds")
    if decidable:
        assert found.value(cell).value == 40.0
    else:
        with pytest.raises(Lacking, match="same hardware"):
            found.value(cell)


def test_values_of_texts_sizes_and_the_discussion_have_their_cells(tmp_path):
    text = {"dataset": "MIMIC-III", "model": "ClinRaGen", "part": "both", "n_seeds": 1, "samples": 9, "counted": 9}
    text |= {"value": 0.2, "low": 0.1, "high": 0.3}
    texts = [text | {"metric": m} for m in ("bleu_marked", "bertscore_marked", "words")]
    texts.append(text | {"metric": "bleu_marked", "part": "note", "value": 0.9})
    sizes = {"dataset": "MIMIC-III", "name": "c", "model": "ClinRaGen", "backbone": "b", "trained": 1}
    parameters = [sizes | {"part": part, "parameters": n} for part, n in (("backbone", 5), ("total", 7))]
    answer = {"question": "bias", "dataset": "MIMIC-III", "model": "ClinRaGen", "measure": "found minus lost"}
    answer |= {"value": 0.1, "low": 0.0, "high": 0.2}
    answers = [answer | {"group": "all"}, answer | {"group": "age: under 45", "value": 0.9}]
    found = evidence(tmp_path, texts=texts, parameters=parameters, discussion=answers)
    assert {(c.source, c.metric): e.value for c, e in found.values.items()} == {
        ("table4", "BLEU"): 0.2,
        ("table4", "BERTScore"): 0.2,
        ("sizes", "parameters"): 7.0,
        ("discussion", "found minus lost"): 0.1,
    }


def test_hidden_and_missing_values_and_missing_intervals_give_their_reason(tmp_path):
    answer = {"question": "bias", "dataset": "MIMIC-III", "model": "ClinRaGen", "group": "all"}
    answers = [answer | {"measure": "hidden"}, answer | {"measure": "missing", "missing": "do this"}]
    answers.append(answer | {"measure": "undefined", "n": 0})
    agreement = {"dataset": "both", "raters": "people", "criterion": "all", "n": 9, "value": 0.6}
    found = evidence(tmp_path, discussion=answers, study_agreement=[agreement | {"statistic": "pearson"}])
    for cell, what, how in (
        (Cell("discussion", "MIMIC-III", "ClinRaGen", "hidden"), "fewer than 11 patients", ""),
        (Cell("discussion", "MIMIC-III", "ClinRaGen", "missing"), "missing of ClinRaGen", "do this"),
        (Cell("discussion", "MIMIC-III", "ClinRaGen", "undefined"), "a share of nothing", ""),
        (Cell("agreement", "both", "people", "pearson"), "an interval of pearson", ""),
    ):
        with pytest.raises(Lacking) as error:
            found.value(cell)
        assert what in error.value.gap.what and error.value.gap.how == how


def test_the_files_behind_a_claim_are_those_with_its_values():
    files = [Path("resources/paper_table1.csv"), Path("resources/paper_table2.csv"), Path("t/intervals.csv")]
    files += [Path("t/judge.csv"), Path("t/texts.csv")]
    by_id = {claim.id: [path.stem for path in files_behind(claim, files)] for claim in CLAIMS}
    assert by_id["small-beats-baselines"] == ["paper_table1", "intervals"]
    assert by_id["text-scores-follow-ratings"] == ["judge", "texts"]


def page(found: Evidence, stand_ins: list[str]) -> str:
    files = [RESOURCES / f"{name}.csv" for name in PRINTED]
    printed = printed_evidence(files, printed_in_text(CLAIMS))
    assessed = assess(CLAIMS, printed, found, stand_ins)
    pages = ["tables/table1.html", "tables/judge.csv"]
    return claims_page(assessed, find_contradictions(printed, assessed), pages, stand_ins, templates("claims"))


def test_the_page_shows_every_claim_with_both_answers_and_its_links(tmp_path):
    html = page(evidence(tmp_path, intervals=[score("ClinRaGen", 0.6)]), [])
    assert html.count('<article class="claim"') == len(CLAIMS)
    assert all(f'id="{claim.id}"' in html for claim in CLAIMS)
    assert 'href="../tables/table1.html"' in html and "tables/table2.html" not in html
    assert "w/o LAB&amp;KNOW" in html and "w/o LAB&KNOW" not in html
    assert "models.flan-t5" in html and "http" not in html.replace("http-equiv", "")


def test_with_stand_ins_the_page_says_so_and_decides_nothing(tmp_path):
    html = page(evidence(tmp_path, intervals=[score("ClinRaGen", 0.6)]), ["tiny <model>"])
    assert "tiny &lt;model&gt;" in html and "Stand-ins decide nothing" in html
    assert 'class="answer" data-said="reproduced"' not in html and '"answer" data-said="not reproduced"' not in html


def card(html: str, name: str) -> str:
    """Return what a reader sees of one claim, with single spaces."""
    own = html.split(f'id="{name}">')[1].split("</article>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", own).split())


def test_a_claim_says_how_many_statements_hold_and_both_numbers_belong_to_the_statement_shown(tmp_path):
    text = {"model": "ClinRaGen", "part": "both", "n_seeds": 1, "samples": 9, "counted": 9, "low": 0.1, "high": 0.2}
    own = {"ClinRaGen": 0.15, **dict.fromkeys(("LLaMA3", "LLaMA2", "Mistral"), 0.9)}
    texts = [
        text | {"dataset": d, "metric": m, "model": row, "value": v, "low": v - 0.01, "high": v + 0.01}
        for d in ("MIMIC-III", "MIMIC-IV")
        for m in ("bleu_marked", "bertscore_marked")
        for row, v in own.items()
    ]
    html = page(evidence(tmp_path, texts=texts), ["tiny"])
    shown = card(html, "state-of-the-art-rationales")
    assert "4 of 4 statements hold." in shown
    assert "On these values: 0 of 4 statements hold, 4 fail (made with stand-ins: not decided)." in shown
    assert "MIMIC-III, BLEU: ClinRaGen has rank 1 of 4 0.2689 holds 0.1500 0.1400 to 0.1600 fails" in shown
    assert "28 of 28 statements hold." in card(html, "significance")
    assert "0.0046, p = 5.4e-06 holds" in card(html, "significance")


def test_claims_and_contradictions_link_to_each_other(tmp_path):
    html = page(evidence(tmp_path), [])
    linked = {"gain-over-1-1", "multimodal-beats-single", "teachers-alike", "less-than-half-the-time"}
    assert linked <= set(re.findall(r'href="#against-([^"]+)"', html)) == set(re.findall(r'id="against-([^"]+)"', html))
    assert 'See <a href="#against-gain-over-1-1">' in html and '<a href="#gain-over-1-1">The claim</a>' in html
    assert "against" not in re.findall(r'id="beats-llama">(.*?)</article>', html, re.DOTALL)[0]
