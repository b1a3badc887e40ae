"""The page of trainings: charts of all seeds together, and the best epoch of each."""

import re
import time

import pyarrow as pa
import pytest
from pages import templates

from clinragen.evaluate.line_chart import BOTTOM, LEFT, RIGHT, TOP, chart, linear_ticks, log_ticks
from clinragen.evaluate.training_page import training_page
from clinragen.schemas.evaluate import TRAINING

LOSSES = [f"{split}loss{part}" for split in ("", "eval_") for part in ("", "_diagnoses", "_note_rationale")]


def course(
    seed: int, best: int = 2, dataset: str = "mimic3", student: str = "tiny/a b", stage: str = "phase1", epochs: int = 3
) -> pa.Table:
    """The history of one training, whose validation F1 is highest after one epoch."""
    run = {"dataset": dataset, "student": student, "seed": seed, "stage": stage}
    rows = [
        run | {"epoch": float(epoch), "step": epoch, "measure": measure, "value": value}
        for epoch in range(1, epochs + 1)
        for measure, value in (
            *((name, 1.0) for name in (*LOSSES, "grad_norm", "learning_rate")),
            ("eval_f1", 0.5 if epoch == best else 0.25),
            *([("kept", 1)] if epoch == best else []),
        )
    ]
    return pa.Table.from_pylist(rows, schema=TRAINING.schema)


def page(*courses: pa.Table) -> str:
    return training_page(courses, ["A & B"] * len(courses), ["tiny model"], templates("training"))


def test_the_seeds_of_a_training_share_its_charts_and_each_has_its_kept_epoch():
    text = page(course(1), course(2, best=3), course(1, stage="phase2"), course(1, dataset="mimic4"))
    assert text.count("<svg") == 3 * 4 and text.count("<h2>") == 2
    (first,) = re.findall(r'<section class="output" id="mimic3/tiny/a b/phase1">(.*?)</section>', text, re.DOTALL)
    assert "Seed 1: 3 epochs, validation F1 0.500 after epoch 2, whose weights were kept." in first
    assert "Seed 2: 3 epochs, validation F1 0.500 after epoch 3, whose weights were kept." in first
    assert first.count("<polyline") == 2 * (len(LOSSES) + 3)
    assert first.count('<polyline class="of-note validation"') == 2
    assert 'href="#mimic3/tiny/a%20b/phase1">A &amp; B</a>' in text and "phase1 of A &amp; B" in first
    assert first.count(">epoch</text>") == 4
    assert "<dt>phase2</dt>" in text and "<dt>phase3</dt>" not in text


def test_a_training_that_was_stopped_within_an_epoch_has_a_part_of_one():
    names = course(1).schema.names
    stopped = course(1, best=1, epochs=1).set_column(
        names.index("epoch"), "epoch", pa.array([0.357] * (len(LOSSES) + 4))
    )
    assert "Seed 1: 0.4 epochs, validation F1 0.500 after epoch 0.4, whose weights were kept." in page(stopped)


def test_a_page_of_the_papers_size_takes_seconds_and_few_megabytes():
    many = [
        course(seed, dataset=dataset, student=f"tiny/{number}", epochs=50)
        for dataset in ("mimic3", "mimic4")
        for number in range(17)
        for seed in range(1, 6)
    ]
    start = time.monotonic()
    text = page(*many)
    assert time.monotonic() - start < 30 and len(text) < 3_000_000


def test_a_chart_has_every_point_inside_its_axes_and_the_highest_value_on_top():
    drawn = chart("x", [("all", [(1.0, 2.0), (2.0, 8.0), (4.0, 5.0)])])
    points = [tuple(map(float, point.split(","))) for point in drawn.lines[0][1].split()]
    width = RIGHT - LEFT
    assert points == [(LEFT + width / 4, BOTTOM), (LEFT + width / 2, TOP), (RIGHT, (TOP + BOTTOM) / 2)]
    assert [text for _, text in drawn.x] == ["0", "1", "2", "3", "4"]
    assert [text for _, text in drawn.y] == ["2", "4", "6", "8"]


def test_on_a_logarithmic_axis_equal_ratios_are_equal_distances_and_zero_is_omitted():
    drawn = chart("x", [("all", [(0.0, 0.0), (1.0, 1.0), (2.0, 10.0), (3.0, 100.0)])], log=True)
    heights = [float(point.split(",")[1]) for point in drawn.lines[0][1].split()]
    assert heights == [BOTTOM, (TOP + BOTTOM) / 2, TOP] and [text for _, text in drawn.y] == ["1", "10", "100"]


def test_constant_and_single_values_are_drawn_and_no_values_are_no_chart():
    assert chart("x", [("all", [])]) is None and chart("x", [("all", [(1.0, float("nan"))])]) is None
    (line,) = chart("x", [("all", [(0.0, 0.0)])]).lines
    assert line[1].split()[0] == line[1].split()[1]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.5, 1]), (0, 3, [0, 1, 2, 3]), (0.0, 0.0023, [0, 0.001, 0.002]), (-5, 15, [-5, 0, 5, 10, 15])],
)
def test_ticks_are_round_numbers(low, high, ticks):
    assert linear_ticks(low, high) == ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.5, 2000, [1, 10, 100, 1000]), (0.5, 4, [0.5, 1, 2]), (0.81, 0.89, [0.82, 0.84, 0.86, 0.88])],
)
def test_ticks_of_a_logarithmic_axis_are_round_numbers(low, high, ticks):
    assert log_ticks(low, high) == ticks
