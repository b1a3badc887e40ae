"""Rows of `classifiers`: invalid ones are reported together."""

from typing import Any

import pytest
import yaml
from runs import ROOT
from snakemake.utils import update_config

from clinragen.config.root import Config, load_config
from clinragen.errors import UserError
from clinragen.workflow import inputs, needs

SCHEDULE = {"learning_rate": 0.001, "epochs": 2, "patience": 1}
LSTM = {"row": "L", "method": "lstm", "lstm": {"width": 4, "layers": 1, "dropout": 0.0}, "schedule": SCHEDULE}


def configured(rows: dict[str, Any], *overlays: str) -> Config:
    """Return the configuration of the demo with these rows."""
    merged: dict[str, Any] = {}
    for name in ("config.yaml", "config/demo.yaml", *overlays):
        update_config(merged, yaml.safe_load((ROOT / name).read_text(encoding="utf-8")))
    update_config(merged, {"classifiers": rows})
    return load_config(merged)


def test_beyond_yaml_adds_one_of_each_method():
    assert configured({}).classifiers == {}
    rows = configured({}, "config/beyond.yaml").classifiers
    assert sorted(row.method for row in rows.values()) == ["encoder", "lstm", "majority", "names", "patchtst"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"a": LSTM | {"lstm": None}}, "classifiers.a.lstm: missing for method lstm"),
        ({"a": LSTM | {"schedule": None}}, "classifiers.a.schedule: missing for method lstm"),
        ({"a": LSTM | {"method": "patchtst"}}, "classifiers.a.lstm: must be null for method patchtst"),
        ({"a": LSTM | {"encoder": "clinical-bert"}}, "classifiers.a.encoder: must be null for method lstm"),
        ({"a": {"row": "M", "method": "majority", "schedule": SCHEDULE}}, "classifiers.a.schedule: must be null"),
        (
            {"a": {"row": "E", "method": "encoder", "pooling": "mean", "schedule": SCHEDULE}},
            "classifiers.a.encoder: missing for method encoder",
        ),
        (
            {"a": {"row": "E", "method": "encoder", "encoder": "none", "pooling": "mean", "schedule": SCHEDULE}},
            "classifiers.a.encoder: 'none' is not one of encoders (clinical-bert, roberta-large)",
        ),
        ({"a": LSTM, "b": LSTM}, "classifiers: a and b are both row 'L'; rename one of them"),
        ({"flan-t5": LSTM}, "classifiers.flan-t5: models has a row with the same name; rename one of them"),
        ({"llama-zero-shot": LSTM}, "classifiers.llama-zero-shot: asked has a row with the same name"),
        ({"a/b": LSTM}, "the name 'a/b' cannot be part of a path"),
    ],
)
def test_contradictions_are_refused_with_key_and_remedy(rows, message):
    with pytest.raises(UserError) as refused:
        configured(rows)
    assert message in str(refused.value)


def test_all_problems_are_reported_together():
    with pytest.raises(UserError) as refused:
        configured(
            {"a": LSTM | {"lstm": None, "schedule": None}, "b": {"row": "M", "method": "names", "lstm": LSTM["lstm"]}}
        )
    assert len([line for line in str(refused.value).splitlines() if "classifiers." in line]) == 3


def test_null_omits_a_row():
    assert "majority" not in configured({"majority": None}, "config/beyond.yaml").classifiers


def test_only_note_encoders_need_an_encoder_and_only_trained_rows_a_gpu():
    config = configured({}, "config/beyond.yaml")
    base = config.pathvars.results

    def kinds(path: str) -> set[str]:
        return {need.kind for need in needs.needs_of([f"{base}/{path}"], config)} - {needs.RAW, needs.NOTES}

    train = "mimic3/train/{}/phenotypes/seed1/classifier"
    assert kinds(train.format("series-lstm")) == {needs.GPU}
    assert kinds(train.format("note-encoder")) == {needs.GPU, needs.ENCODER}
    assert kinds("mimic3/evaluate/note-encoder/seed1/scores.csv") == {needs.GPU, needs.ENCODER}
    assert kinds("mimic3/evaluate/series-lstm/seed1/scores.csv") == {needs.GPU}
    assert kinds("mimic3/evaluate/majority/untrained/scores.csv") == set()
    assert kinds("mimic3/benchmark/names.parquet") == set()
    assert kinds("mimic3/train/clinical-bert/encoder_tokens.arrow") == {needs.ENCODER}
    assert kinds("tables/beyond.csv") == {needs.GPU, needs.ENCODER}
    # The row of models with a text encoder, whose intervals are computed with those of table 2.
    config.models.pop("frozen-qformer")
    assert needs.ENCODER not in kinds("tables/table2.csv")


def test_trained_rows_have_a_run_per_seed_and_others_one():
    config = configured({}, "config/beyond.yaml").model_copy(update={"seeds": [1, 2]})
    scores = inputs.classifier_scores(config)
    assert len(scores) == 2 * (3 * 2 + 2)
    assert "<results>/mimic4/evaluate/series-lstm/seed2/scores.csv" in scores
    assert (
        inputs.predictions(config, "mimic3", "name-search", "untrained") == "<results>/mimic3/benchmark/names.parquet"
    )
