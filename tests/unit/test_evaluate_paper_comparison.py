"""The paper's tables compared with our values: numbers and picture."""

import csv
from dataclasses import replace

import pyarrow as pa
import pytest
import yaml
from toy_student import ROOT

from clinragen.config.models import Model
from clinragen.config.paper import Configured, RunOptions
from clinragen.config.rows import row_in
from clinragen.errors import UserError
from clinragen.evaluate.paper.comparison import PaperCell, compare, in_row, intervals_in_rows, read_paper
from clinragen.evaluate.paper.missing import Missing
from clinragen.evaluate.paper.pictures import draw_comparison
from clinragen.evaluate.paper.verdict import verdict
from clinragen.registry.paper_rows import PaperRow, read_paper_rows
from clinragen.schemas.evaluate import COMPARISON, SCORES
from clinragen.schemas.statistics import INTERVALS

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


HOW = Missing(
    [
        PaperRow(1, "ClinRaGen", "models.clinragen", "config.yaml", "config/demo.yaml"),
        PaperRow(1, "y", "models.y", "config.yaml", "config/demo-full.yaml"),
        PaperRow(6, "x", "models.x", "config/table6.yaml", "config/rehearsal.yaml"),
    ],
    Configured(datasets=["MIMIC-III"], keys=["models.clinragen"]),
)


def cells(tables: list[pa.Table], stand_ins: tuple[str, ...] = (), intervals: dict | None = None) -> list[dict]:
    compared = compare(PAPER, tables, list(stand_ins), intervals or {}, HOW)
    return COMPARISON.check(compared, "test").to_pylist()


def test_mean_and_sample_standard_deviation_over_the_seeds():
    ours = cells([scores(1, 0.5), scores(2, 0.6), scores(3, 0.7)], ("tiny model", "template"))[0]
    assert ours == {
        "dataset": "MIMIC-III",
        "model": "ClinRaGen",
        "metric": "micro_f1",
        "ours_mean": 0.6,
        "ours_std": 0.1,
        "low": None,
        "high": None,
        "n_seeds": 3,
        "asked": False,
        "paper_mean": 0.64,
        "paper_std": 0.001,
        "difference": None,
        "verdict": "not comparable",
        "stand_ins": "tiny model; template",
        "outputs": 27,
        "cut": 6,
        "unreadable": 3,
        "unknown": 9,
        "make": None,
    }


def test_one_seed_has_no_standard_deviation():
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


def test_scores_of_rows_that_are_not_in_the_paper_are_rejected():
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


def test_two_scores_of_one_row_and_seed_are_rejected():
    with pytest.raises(UserError, match=r"two scores micro_f1 of row 'ClinRaGen' for MIMIC-III, seed 1"):
        cells([scores(1, 0.5), scores(1, 0.6)])


@pytest.mark.parametrize(("number", "rows"), [(1, 132), (2, None)])
def test_the_papers_tables_are_read_whole(number, rows):
    found = read_paper(ROOT / "resources" / f"paper_table{number}.csv")
    assert rows is None or len(found) == rows
    assert all(0 < c.mean < 1 for c in found)
    COMPARISON.check(compare(found, [], [], {}, HOW), "test")


def test_the_picture_is_the_same_bytes_every_time(tmp_path):
    table = compare(PAPER, [scores(1, 0.5), scores(2, 0.6), scores(1, 0.4, "FROZEN, Q-Former")], ["tiny"], {}, HOW)
    for name in ("a", "b"):
        draw_comparison(table, 1, tmp_path / f"{name}.png")
    first = (tmp_path / "a.png").read_bytes()
    assert first.startswith(b"\x89PNG") and len(first) > 5000
    assert first == (tmp_path / "b.png").read_bytes()


def test_a_picture_without_our_values_can_be_drawn(tmp_path):
    draw_comparison(compare(PAPER, [], [], {}, HOW), 1, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5000


# The paper prints 0.6400 with a spread of 0.001: between 0.63895 and 0.64105 it is the paper's value.
@pytest.mark.parametrize(
    ("ours", "interval", "paper", "spread", "stand_ins", "expected"),
    [
        (0.63, (0.62, 0.6389), 0.64, 0.001, False, "lower"),
        (0.63, (0.62, 0.63896), 0.64, 0.001, False, "agrees"),
        (0.65, (0.64104, 0.66), 0.64, 0.001, False, "agrees"),
        (0.65, (0.6411, 0.66), 0.64, 0.001, False, "higher"),
        (0.64, (0.6, 0.68), 0.64, None, False, "agrees"),
        (0.65, (0.64004, 0.66), 0.64, None, False, "agrees"),
        (0.65, (0.64006, 0.66), 0.64, None, False, "higher"),
        (0.64, (0.6, 0.68), 0.64, 0.001, True, "not comparable"),
        (0.64, None, 0.64, 0.001, True, "not comparable"),
        (0.64, None, 0.64, 0.001, False, "no interval"),
        (0.64, (0.6, 0.68), None, None, False, "not in the paper"),
        (0.64, (0.6, 0.68), None, None, True, "not in the paper"),
        (None, None, 0.64, 0.001, False, "missing"),
        (None, (0.6, 0.68), 0.64, 0.001, True, "missing"),
    ],
)
def test_the_verdict_is_that_of_the_interval_and_the_widened_value_of_the_paper(
    ours, interval, paper, spread, stand_ins, expected
):
    assert verdict(ours, interval, paper, spread, stand_ins) == expected


def test_our_values_have_intervals_and_verdicts():
    place = ("MIMIC-III", "ClinRaGen", "micro_f1")
    first = cells([scores(1, 0.5)], intervals={place: (0.44444, 0.55556)})[0]
    assert (first["low"], first["high"], first["verdict"], first["difference"]) == (0.4444, 0.5556, "lower", -0.14)
    # A row without a run has no interval, even if the table of intervals has one.
    other = cells([scores(1, 0.5)], intervals={("MIMIC-III", "ClinRaGen", "macro_f1"): (0.4, 0.5)})[1]
    assert (other["verdict"], other["low"], other["n_seeds"]) == ("missing", None, 0)


def test_intervals_are_found_by_the_name_in_the_scores_not_in_the_table():
    schema = INTERVALS.schema
    row = {name: 0 for name in schema.names} | {"dataset": "MIMIC-III", "model": "ClinRaGen", "metric": "micro_f1"}
    table = pa.Table.from_pylist([row | {"low": 0.4, "high": 0.6}, row | {"model": "Flan-T5"}], schema)
    found = intervals_in_rows(table, {("MIMIC-III", "ClinRaGen"): "Flan-T5-0.1B, ClinRaGen, ChatGPT"})
    assert found == {("MIMIC-III", "Flan-T5-0.1B, ClinRaGen, ChatGPT", "micro_f1"): (0.4, 0.6)}
    assert in_row(scores(1, 0.5), "new")["model"].to_pylist() == ["new"]


def test_a_missing_row_says_what_to_set_and_what_to_run():
    own = replace(HOW, options=RunOptions(machine="--profile slurm", files=["config/local.yaml"]))
    run = "run `snakemake all --profile slurm --configfile config/local.yaml`"
    assert own.how("ClinRaGen", "MIMIC-III") == run
    assert own.how("ClinRaGen", "MIMIC-IV") == f"set `datasets.mimic4`, which is null in this run, then {run}"
    # The settings of a site come after an overlay.
    assert own.how("x", "MIMIC-III") == run.replace("config/local", "config/table6.yaml config/local")
    assert own.how("y") == f"set `models.y` as in `config.yaml` (this run leaves it out), then {run}"
    assert own.how("no row of the paper") is None
    assert replace(HOW, options=RunOptions()).how("ClinRaGen") == "run `snakemake all --cores 2`"
    missing = cells([scores(1, 0.5)])
    assert [cell["make"] for cell in missing[2:]] == [None, HOW.how("ClinRaGen", "MIMIC-IV")]


def test_a_missing_row_of_a_demo_says_which_command_adds_it():
    demo, own = "config/demo.yaml", "config/open-demo.yaml"
    assert replace(HOW, options=RunOptions(files=[demo])).how("y", "MIMIC-III") == "run `make demo-full`"
    both = replace(HOW, options=RunOptions(files=[demo, own]))
    assert both.how("y") == f"run `snakemake all --cores 2 --configfile {demo} {own} config/demo-full.yaml`"
    assert both.how("x") == "run `make rehearsal`: with stand-ins, in another tree"


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6])
def test_every_row_of_the_papers_tables_has_its_key_in_the_file_that_is_named(number):
    with (ROOT / f"resources/paper_table{number}.csv").open(encoding="utf-8", newline="") as file:
        printed = list(dict.fromkeys(row["stage" if number == 3 else "model"] for row in csv.DictReader(file)))
    rows = read_paper_rows(ROOT / "resources/paper_rows.csv", number)
    assert [row.model for row in rows] == printed
    for row in rows:
        section, name = row.key.split(".", 1)
        found = yaml.safe_load((ROOT / row.file).read_text(encoding="utf-8"))[section][name]
        if number == 6:
            assert row_in(Model(**found), 6) == row.model
        elif number != 3:
            assert found["row"] == row.model
        demo = yaml.safe_load((ROOT / "config/demo.yaml").read_text(encoding="utf-8"))[section]
        full = yaml.safe_load((ROOT / "config/demo-full.yaml").read_text(encoding="utf-8")).get(section, {})
        absent = name in demo and demo[name] is None
        assert (row.demo == "config/demo-full.yaml") == (absent and name in full)
        assert (row.demo == "config/rehearsal.yaml") == (number == 6 or (absent and name not in full))
