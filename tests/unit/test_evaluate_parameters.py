"""Parameter counts of trained models by component, next to the paper's."""

import csv
from pathlib import Path

import pytest
from toy_student import student, tokenizer

from clinragen.config.models import Trained
from clinragen.errors import UserError
from clinragen.evaluate.parameters import Count, parameters, read_counts, read_sizes
from clinragen.schemas.evaluate import PARAMETERS

ROOT = Path(__file__).parents[2]
SIZES = ROOT / "resources/paper_sizes.csv"


def trained(row: str) -> Trained:
    return Trained(dataset="MIMIC-III", name=row.lower(), row=row, backbone="b")


@pytest.mark.parametrize("shape", ["tiny", "tiny-opt"])
def test_a_saved_student_is_counted_part_by_part(shape, tmp_path):
    model = student(shape=shape)
    model.freeze("backbone")
    model.save(tmp_path, tokenizer(shape))
    table = PARAMETERS.check(parameters([trained("ClinRaGen")], [read_counts(tmp_path)], read_sizes(SIZES)), "test")
    found = {row["part"]: row for row in table.to_pylist()}
    assert list(found) == ["backbone", "series encoder", "attention", "identity", "total"]
    assert found["backbone"]["parameters"] == sum(p.numel() for p in model.backbone.parameters())
    assert found["total"]["parameters"] == sum(p.numel() for p in model.parameters())
    assert found["backbone"]["trained"] == 0
    assert found["total"]["trained"] == found["total"]["parameters"] - found["backbone"]["parameters"]
    assert [row["paper"] for row in found.values()] == [None] * 4 + [87_000_000]


def test_a_row_whose_size_the_paper_does_not_print_has_none():
    table = parameters([trained("w/o KNOW")], [{"backbone": Count(5, 4)}], read_sizes(SIZES))
    assert [(row["part"], row["parameters"], row["trained"], row["paper"]) for row in table.to_pylist()] == [
        ("backbone", 5, 4, None),
        ("total", 5, 4, None),
    ]


def test_every_row_of_the_papers_table_1_has_a_size():
    with (ROOT / "resources/paper_table1.csv").open(encoding="utf-8", newline="") as file:
        assert set(read_sizes(SIZES)) == {cell["model"] for cell in csv.DictReader(file)}


@pytest.mark.parametrize(
    "content",
    [
        None,
        "{",
        "{}",
        '{"parameters": 3}',
        '{"parameters": {"backbone": "x"}}',
        '{"parameters": {"backbone": 1}, "trained": {}}',
    ],
)
def test_a_checkpoint_without_counts_is_named(content, tmp_path):
    if content is not None:
        (tmp_path / "student.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=f"{tmp_path}: no readable student.json"):
        read_counts(tmp_path)
