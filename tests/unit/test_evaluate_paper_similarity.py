"""The paper's Table 4: conventions, verdicts, missing values."""

import pyarrow as pa
from pages import templates
from toy_student import ROOT

from clinragen.config.paper import Configured
from clinragen.evaluate.paper.comparison import read_paper
from clinragen.evaluate.paper.forms import to_latex, to_markdown
from clinragen.evaluate.paper.missing import Missing
from clinragen.evaluate.paper.similarity import (
    FEW_PATIENTS,
    METRICS,
    shown_similarity,
    similarity_page,
    similarity_table,
)
from clinragen.registry.paper_rows import read_paper_rows
from clinragen.schemas.paper import SIMILARITY
from clinragen.schemas.texts import TEXT_SCORES

PAPER = read_paper(ROOT / "resources/paper_table4.csv")
HOW = Missing(
    read_paper_rows(ROOT / "resources/paper_rows.csv", 4), Configured(datasets=["MIMIC-III"], keys=["models.clinragen"])
)
VALUES = {"bleu_marked": 0.27, "bleu_all": 0.2, "corpus_bleu_all": 0.3, "bertscore_marked": 0.95, "bertscore_all": 0.7}


def scores(values: dict[str, float | None], model: str = "ClinRaGen") -> list[dict]:
    own = {"dataset": "MIMIC-III", "model": model, "std": None, "n_seeds": 1, "counted": 18, "samples": 20}
    rows = [
        own | {"part": part, "metric": metric, "value": None if value is None else value * scale}
        for part, scale in (("both", 1.0), ("note", 0.5))
        for metric, value in values.items()
    ]
    bounds = [{"low": r["value"] and r["value"] - 0.01, "high": r["value"] and r["value"] + 0.01} for r in rows]
    table = pa.Table.from_pylist([r | b for r, b in zip(rows, bounds, strict=True)], TEXT_SCORES.schema)
    return TEXT_SCORES.check(table, "test").to_pylist()


def table(rows: list[dict], stand_ins=()) -> tuple[dict, pa.Table]:
    made = SIMILARITY.check(similarity_table(PAPER, rows, list(stand_ins), HOW), "test")
    keys = ("dataset", "model", "metric", "convention")
    return {tuple(row[key] for key in keys): row for row in made.to_pylist()}, made


def test_the_papers_value_is_compared_with_the_convention_of_the_released_code_alone():
    rows, _ = table(scores(VALUES))
    place = ("MIMIC-III", "ClinRaGen")
    found = {key[2:]: (rows[*key]["ours_mean"], rows[*key]["paper_mean"]) for key in rows if key[:2] == place}
    assert found == {
        ("BLEU", "released"): (0.27, 0.2689),
        ("BLEU", "all"): (0.2, None),
        ("BLEU", "corpus"): (0.3, None),
        ("BERTScore", "released"): (0.95, 0.8972),
        ("BERTScore", "all"): (0.7, None),
    }
    assert rows[*place, "BLEU", "released"]["verdict"] == "agrees"
    assert rows[*place, "BLEU", "released"]["difference"] == 0.0011
    assert rows[*place, "BERTScore", "released"]["verdict"] == "higher"
    assert rows[*place, "BLEU", "all"]["verdict"] == "not in the paper"
    assert len(rows) == 8 * len(METRICS)


def test_with_stand_ins_nothing_is_compared():
    rows, _ = table(scores(VALUES), ["tiny"])
    row = rows["MIMIC-III", "ClinRaGen", "BLEU", "released"]
    assert (row["verdict"], row["difference"], row["stand_ins"]) == ("not comparable", None, "tiny")


def test_what_is_missing_says_why():
    without = {name: value for name, value in VALUES.items() if not name.startswith("bert")}
    rows, _ = table(scores(without | {"bleu_all": None}))
    assert rows["MIMIC-III", "ClinRaGen", "BERTScore", "released"]["make"].startswith("set evaluate.bertscore")
    assert rows["MIMIC-III", "ClinRaGen", "BLEU", "all"]["make"] == FEW_PATIENTS
    assert "asked.mistral-five-shot" in rows["MIMIC-III", "Mistral", "BLEU", "released"]["make"]
    assert "datasets.mimic4" in rows["MIMIC-IV", "ClinRaGen", "BLEU", "released"]["make"]
    assert all((row["verdict"] == "missing") == (row["make"] is not None) for row in rows.values())


def test_without_any_score_every_row_is_there_and_missing():
    rows, _ = table([])
    assert {row["verdict"] for row in rows.values()} == {"missing"} and len(rows) == 40


def test_page_and_text_forms():
    _, made = table(scores(VALUES))
    page = similarity_page(made, templates("scores", "similarity"))
    assert (
        'paper 0.2689 <em class="verdict" data-said="agrees">agrees</em>' in page and "asked.mistral-five-shot" in page
    )
    assert "replaces a value over fewer" not in page
    _, made = table(scores(VALUES | {"bleu_all": None}))
    page = similarity_page(made, templates("scores", "similarity"))
    assert '<span class="hidden">hidden</span>' in page and "replaces a value over fewer" in page
    assert FEW_PATIENTS not in page
    assert "#tables/table4.csv/MIMIC-III/ClinRaGen" in page
    assert "0.2700" in to_markdown(shown_similarity(made)) and "corpus BLEU" in to_latex(shown_similarity(made))
