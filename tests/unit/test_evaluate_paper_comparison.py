"""The paper's tables and our values: numbers and picture."""

import pyarrow as pa
import pytest
from toy_student import ROOT

from clinragen.errors import UserError
from clinragen.evaluate.paper.pictures import draw_comparison
from clinragen.evaluate.paper.comparison import PaperCell, compare, read_paper
from clinragen.schemas.evaluate import COMPARISON, SCORES

PAPER = [
    PaperCell("MIMIC-III", "ClinRaGen", "micro_f1", 0.64, 0.001),
    PaperCell("MIMIC-III", "ClinRaGen", "macro_f1", 0.61, None),
    PaperCell("MIMIC-III", "<b>R&D</b>", "micro_f1", 0.6, None),
    PaperCell("MIMIC-IV", "ClinRaGen", "micro_f1", 0.7, None),
]


def scores(seed: int | None, value: float, model: str = "ClinRaGen") -> pa.Table:
    row = {"dataset": "MIMIC-III", "model": model, "seed": seed, "average": "micro", "metric": "f1"}
    return pa.Table.from_pylist(
        [row | {"value": value, "samples": 9, "unreadable": 1, "cut": 2, "unknown": 3}], SCORES.schema
    )


def cells(tables: list[pa.Table], stand_ins: tuple[str, ...] = ()) -> list[dict]:
    return COMPARISON.check(compare(PAPER, tables, list(stand_ins)), "test").to_pylist()


def test_mean_and_sample_deviation_over_the_seeds():
    ours = cells([scores(1, 0.5), scores(2, 0.6), scores(3, 0.7)], ("tiny model", "template"))[0]
    assert ours == {
        "dataset": "MIMIC-III",
        "model": "ClinRaGen",
        "metric": "micro_f1",
        "ours_mean": 0.6,
        "ours_std": 0.1,
        "n_seeds": 3,
        "asked": False,
        "paper_mean": 0.64,
        "paper_std": 0.001,
        "difference": -0.04,
        "stand_ins": "tiny model; template",
        "outputs": 27,
        "cut": 6,
        "unreadable": 3,
        "unknown": 9,
    }


def test_one_seed_has_no_deviation():
    ours = cells([scores(1, 0.56789)])[0]
    assert (ours["ours_mean"], ours["ours_std"], ours["n_seeds"]) == (0.5679, None, 1)


def test_a_model_that_is_asked_has_one_run_without_seed():
    ours = cells([scores(None, 0.5)])[0]
    assert (ours["ours_mean"], ours["ours_std"], ours["n_seeds"], ours["asked"]) == (0.5, None, 1, True)
    with pytest.raises(UserError, match="two scores"):
        cells([scores(None, 0.5), scores(None, 0.6)])


def test_rows_of_the_paper_without_our_model_remain():
    found = cells([scores(1, 0.5)], ("tiny model",))
    assert [(c["dataset"], c["model"], c["metric"]) for c in found] == [(c.dataset, c.model, c.metric) for c in PAPER]
    for cell in found[1:]:
        assert cell["n_seeds"] == 0 and not cell["asked"] and cell["paper_mean"] > 0
        assert [cell[k] for k in ("ours_mean", "ours_std", "difference", "stand_ins", "outputs", "cut")] == [None] * 6


def test_scores_that_no_row_of_the_paper_has_are_refused():
    with pytest.raises(UserError, match=r"no row 'ClinRagen' for MIMIC-III; its rows are .*ClinRaGen.*\.row"):
        cells([scores(1, 0.5), scores(1, 0.9, model="ClinRagen")])


def test_rows_that_the_paper_does_not_have_follow_its_own_without_its_values():
    found = cells([scores(1, 0.5), scores(1, 0.4, model="FROZEN, never tuned")])
    assert len(found) == len(PAPER) + 1
    last = found[-1]
    assert (last["model"], last["metric"], last["ours_mean"], last["n_seeds"]) == (
        *("FROZEN, never tuned", "micro_f1"),
        *(0.4, 1),
    )
    assert last["paper_mean"] is last["paper_std"] is last["difference"] is None


def test_two_scores_of_one_row_and_seed_are_refused():
    with pytest.raises(UserError, match=r"two scores micro_f1 of row 'ClinRaGen' for MIMIC-III, seed 1"):
        cells([scores(1, 0.5), scores(1, 0.6)])


@pytest.mark.parametrize(("number", "rows"), [(1, 132), (2, None)])
def test_the_papers_tables_are_read_whole(number, rows):
    found = read_paper(ROOT / "resources" / f"paper_table{number}.csv")
    assert rows is None or len(found) == rows
    assert all(0 < c.mean < 1 for c in found)
    COMPARISON.check(compare(found, [], []), "test")


def test_the_picture_is_the_same_bytes_every_time(tmp_path):
    table = compare(PAPER, [scores(1, 0.5), scores(2, 0.6), scores(1, 0.4, "FROZEN, Q-Former")], ["tiny"])
    for name in ("a", "b"):
        draw_comparison(table, 1, tmp_path / f"{name}.png")
    first = (tmp_path / "a.png").read_bytes()
    assert first.startswith(b"\x89PNG") and len(first) > 5000
    assert first == (tmp_path / "b.png").read_bytes()


def test_a_picture_without_any_model_of_ours_can_be_drawn(tmp_path):
    draw_comparison(compare(PAPER, [], []), 1, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5000
