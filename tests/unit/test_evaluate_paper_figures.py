"""Figures 5 and 6: their tables, and drawings with reproducible bytes."""

import xml.etree.ElementTree as ElementTree

import pyarrow as pa
from toy_student import ROOT

from clinragen.evaluate.paper.comparison import read_paper
from clinragen.evaluate.paper.figures import draw_efficiency, draw_ratings, efficiency_table, written_ratings
from clinragen.evaluate.parameters import read_sizes
from clinragen.schemas.evaluate import PARAMETERS
from clinragen.schemas.paper import EFFICIENCY
from clinragen.schemas.ratings import AS_WRITTEN, CRITERIA, RATING_SCORES
from clinragen.schemas.statistics import INTERVALS

SIZES = read_sizes(ROOT / "resources/paper_sizes.csv")
PAPER = read_paper(ROOT / "resources/paper_table1.csv")


def parameters(*rows: tuple[str, str, str, int]) -> pa.Table:
    own = {"name": "x", "backbone": "y", "trained": 1, "paper": None}
    found = [own | dict(zip(("dataset", "model", "part", "parameters"), row, strict=True)) for row in rows]
    return pa.Table.from_pylist([row | {"name": row["model"]} for row in found], PARAMETERS.schema)


def intervals(*rows: tuple[str, str, str, float]) -> pa.Table:
    own = {"std": None, "n_seeds": 1, "sampling_error": 0.01, "samples": 9, "patients": 9}
    found = [own | dict(zip(("dataset", "model", "metric", "value"), row, strict=True)) for row in rows]
    return pa.Table.from_pylist(
        [r | {"low": r["value"] - 0.1, "high": r["value"] + 0.1} for r in found], INTERVALS.schema
    )


COUNTS = parameters(
    *[("MIMIC-III", "ClinRaGen", "total", 87_000_000), ("MIMIC-III", "ClinRaGen", "backbone", 77_000_000)],
    *[("MIMIC-III", "Flan-T5", "total", 77_000_000), ("MIMIC-III", "w/o KNOW", "total", 87_000_000)],
)
SCORES = intervals(
    ("MIMIC-III", "ClinRaGen", "micro_f1", 0.65),
    ("MIMIC-III", "ClinRaGen", "macro_f1", 0.2),
    ("MIMIC-III", "w/o KNOW", "micro_f1", 0.6),
    ("MIMIC-III", "LLM Zero-shot -ChatGPT", "micro_f1", 0.3),
)


def efficiency(stand_ins=(), templates=()) -> pa.Table:
    return EFFICIENCY.check(efficiency_table(COUNTS, SCORES, SIZES, PAPER, templates, list(stand_ins)), "test")


def test_figure_5_has_every_row_of_table_1_and_our_scores():
    rows = efficiency().to_pylist()
    assert len([r for r in rows if r["source"] == "paper"]) == 22
    ours = [r for r in rows if r["source"] == "ours"]
    asked = ours.pop(0)
    assert (asked["model"], asked["parameters"], asked["micro_f1"]) == ("LLM Zero-shot -ChatGPT", 175_000_000_000, 0.3)
    assert ours == [
        {
            "dataset": "MIMIC-III",
            "model": "ClinRaGen",
            "source": "ours",
            "parameters": 87_000_000,
            "micro_f1": 0.65,
            "low": 0.55,
            "high": 0.75,
            "stand_ins": None,
        }
    ]
    printed = next(r for r in rows if (r["dataset"], r["model"], r["source"]) == ("MIMIC-IV", "ClinRaGen*", "paper"))
    assert (printed["parameters"], printed["micro_f1"]) == (793_000_000, 0.7127)


def test_a_template_in_place_of_an_llm_has_a_score_and_no_size(tmp_path):
    name = "LLM Zero-shot -ChatGPT"
    table = efficiency(["template LLM"], [name])
    own = [r for r in table.to_pylist() if r["model"] == name and r["source"] == "ours"]
    assert [(r["parameters"], r["micro_f1"]) for r in own] == [(None, 0.3)]
    without = pa.Table.from_pylist([r for r in table.to_pylist() if r not in own], table.schema)
    files = [(tmp_path / f"{n}.svg", tmp_path / f"{n}.png") for n in (1, 2)]
    for rows, pair in zip((table, without), files, strict=True):
        draw_efficiency(rows, *pair)
    assert files[0][0].read_bytes() == files[1][0].read_bytes()


def drawn(tmp_path, draw) -> tuple[bytes, bytes]:
    files = [(tmp_path / f"{n}.svg", tmp_path / f"{n}.png") for n in (1, 2)]
    for svg, png in files:
        draw(svg, png)
    first, second = ([path.read_bytes() for path in pair] for pair in files)
    assert first == second
    assert first[1].startswith(b"\x89PNG") and len(first[1]) > 5000
    return tuple(first)


def texts(svg: bytes) -> str:
    return " ".join("".join(e.itertext()) for e in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"))


def test_figure_5_is_drawn_from_its_csv_the_same_every_time(tmp_path):
    EFFICIENCY.write(efficiency(["tiny"]), tmp_path / "figure5.csv")
    svg, _ = drawn(tmp_path, lambda *files: draw_efficiency(EFFICIENCY.read(tmp_path / "figure5.csv"), *files))
    shown = texts(svg)
    for text in ("MIMIC-III", "MIMIC-IV", "micro F1", "ClinRaGen*", "paper", "ours", "not comparable with the paper"):
        assert text in shown
    assert b"<dc:date>" not in svg
    other = drawn(tmp_path, lambda *files: draw_efficiency(efficiency(), *files))[0]
    assert "not comparable" not in texts(other) and other != svg


def ratings() -> pa.Table:
    own = {"dataset": "both", "rater": "gpt4", "std": 1.0, "ratings": 20, "cases": 20, "empty": 0}
    rows = [
        own | {"system": system, "condition": condition, "criterion": criterion, "mean": mean} | bounds
        for system, mean in (("GT", 4.5), ("<b>x</b>", None), ("ClinRaGen", 3.5))
        for condition in (AS_WRITTEN, "another patient's rationale")
        for criterion in CRITERIA
        for bounds in [{"low": mean and mean - 0.2, "high": mean and mean + 0.2}]
    ]
    return RATING_SCORES.check(pa.Table.from_pylist(rows, RATING_SCORES.schema), "test")


def test_figure_6_leaves_the_controls_out_and_is_drawn_the_same_every_time(tmp_path):
    kept = written_ratings(ratings())
    assert set(kept["condition"].to_pylist()) == {AS_WRITTEN} and len(kept) == 15
    svg, _ = drawn(tmp_path, lambda *files: draw_ratings(kept, "Figure 6a: x", ["tiny"], *files))
    shown = texts(svg)
    for text in (*CRITERIA, "GT", "<b>x</b>", "ClinRaGen", "both datasets, gpt4", "Figure 6a: x"):
        assert text in shown


def test_figures_without_any_value_can_be_drawn(tmp_path):
    empty = RATING_SCORES.schema.empty_table()
    drawn(tmp_path, lambda *files: draw_ratings(empty, "Figure 6b: x", [], *files))
    none = efficiency_table(PARAMETERS.schema.empty_table(), INTERVALS.schema.empty_table(), SIZES, PAPER, [], [])
    drawn(tmp_path, lambda *files: draw_efficiency(none, *files))


def test_systems_have_the_papers_order_in_spite_of_the_tables(tmp_path):
    drawings = []
    for name, rows in (("a", list(range(30))), ("b", list(range(30))[::-1])):
        table = written_ratings(ratings().take(rows))
        draw_ratings(table, "Figure 6a: x", [], tmp_path / f"{name}.svg", tmp_path / f"{name}.png")
        drawings.append(texts((tmp_path / f"{name}.svg").read_bytes()))
    assert drawings[0] == drawings[1] and drawings[0].index("GT") < drawings[0].index("ClinRaGen")
