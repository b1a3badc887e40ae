"""The single stages of the other rows of Table 1, through their scripts: what each reads and trains."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toy_student import (
    PHENOTYPES,
    TEXTS,
    changed,
    command,
    files,
    fusion,
    losses,
    run,
    weights,
    write_site,
    write_text_encoder,
)

from clinragen.config.evaluate import Decoding
from clinragen.evaluate.predict import predict
from clinragen.evaluate.shuffle import exchange
from clinragen.model.inputs import read_samples
from clinragen.model.qformer import QFormer
from clinragen.model.soft_prompts import PromptPair
from clinragen.model.student import Student

QFORMER = {"reads": ["note", "series"], "series": "qformer"}
LINEAR = {"reads": ["note", "series"], "series": "linear"}
CAPTIONED = {"reads": ["note", "captions"], "soft_prompts": "texts"}
PROMPTED = {"reads": ["note"], "soft_prompts": "reparametrised"}
CONDITIONAL = {"reads": ["note", "features"], "soft_prompts": "conditional"}
DECODING = Decoding(device="cpu", beams=1, max_new_tokens=48, write="all", precision="fp32")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return write_site(tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="module")
def train(place, fork_python) -> Callable[..., Path]:
    def trained(rule: str, name: str, *start: object, **changes: object) -> Path:
        if not (place / name).exists():
            run(command(rule, place / "tables", place / name, *start, **changes), (str(fork_python),))
        return place / name

    return trained


@pytest.fixture(scope="module")
def fetched(place) -> Path:
    return place / "given" / "backbone"


@pytest.fixture(scope="module")
def joint(train, fetched) -> Path:
    return train("train_joint", "joint", "--base", fetched, parts=LINEAR)


@pytest.fixture(scope="module")
def captioned(train, fetched) -> Path:
    return train("train_joint", "captioned", "--base", fetched, parts=CAPTIONED, targets="diagnoses")


@pytest.fixture(scope="module")
def prompted(train, fetched) -> Path:
    return train("train_joint", "prompted", "--base", fetched, parts=PROMPTED, targets="diagnoses")


@pytest.fixture(scope="module")
def conditional(train, fetched) -> Path:
    return train("train_joint", "conditional", "--base", fetched, parts=CONDITIONAL, targets="diagnoses")


@pytest.fixture(scope="module")
def tuned(train, fetched) -> Path:
    return train("train_phase1", "phase1", "--backbone", fetched, targets="diagnoses")


@pytest.fixture(scope="module")
def frozen(train, tuned) -> Path:
    return train("train_frozen", "frozen", "--base", tuned, parts=LINEAR, targets="diagnoses")


@pytest.fixture(scope="module")
def bert(place) -> Path:
    return write_text_encoder(place / "given" / "bert")


@pytest.fixture(scope="module")
def queried(train, tuned, bert) -> Path:
    start = ("--base", tuned)
    return train("train_frozen", "queried", *start, parts=QFORMER, targets="diagnoses", text_encoder=bert)


def given(directory: Path) -> dict[str, torch.Tensor]:
    return {f"backbone.{k}": v for k, v in load_file(directory / "model.safetensors").items()}


def parts(model: Path) -> set[str]:
    return {name.split(".")[0] for name in weights(model)}


def test_a_joint_stage_trains_language_model_encoder_and_projection(joint, fetched):
    assert parts(joint) == {"backbone", "encoder", "projection", "identity"}
    assert len(changed(given(fetched), weights(joint))) > 0.9 * len(given(fetched))
    found = losses(joint)
    assert len(found) == 3 and found[-1] < found[0]
    assert Student.load(joint).reads == ("note", "series")


def test_soft_prompts_are_trained_with_the_language_model_on_note_and_captions(captioned, fetched):
    found = weights(captioned)
    first = given(fetched)["backbone.shared.weight"][:4]
    assert parts(captioned) == {"backbone", "soft_prompts"}
    assert all(not torch.equal(found[f"soft_prompts.vectors.{name}"], first) for name in ("note", "captions"))
    assert changed(given(fetched), found)


@pytest.mark.parametrize("name", ["prompted", "conditional"])
def test_prompts_of_encoder_and_decoder_are_trained_with_the_language_model(name, fetched, request):
    model = request.getfixturevalue(name)
    found = weights(model)
    assert parts(model) == {"backbone", "prompt_pair"}
    assert len(changed(given(fetched), found)) > 0.9 * len(given(fetched))
    loss = losses(model)
    assert len(loss) == 3 and loss[-1] < loss[0]
    torch.manual_seed(1)  # the seed of the training, from which the new parts are made
    kind = (PROMPTED if name == "prompted" else CONDITIONAL)["soft_prompts"]
    before = {f"prompt_pair.{k}": v for k, v in PromptPair(kind, 4, 64).state_dict().items()}
    assert changed(before, found) == set(before) and len(before) == 2 * (3 if name == "prompted" else 6)


def test_a_row_learns_to_write_the_rationale_before_the_diagnoses(train, fetched, place):
    model = train("train_phase1", "reversed", "--backbone", fetched, targets="rationale_first", epochs=12, patience=12)
    read = files(place / "tables", None)
    tested = read_samples(type(read)(read.labels, read.notes, None, []), "test")
    written = predict(model, tested, PHENOTYPES, DECODING, 3).to_pylist()
    assert all(row["output"].startswith("Note rationale:") and row["end"] == "end_mark" for row in written)
    assert [row["predicted"] for row in written] == [row["true"] for row in written]
    assert all(row["note_rationale"].startswith("Based on the medical notes,") for row in written)
    # Diagnoses alone cannot be written: what precedes them is.
    short = predict(model, tested, PHENOTYPES, DECODING.model_copy(update={"write": "diagnoses"}), 3).to_pylist()
    assert short == written
    # Selected by the diagnoses at the end of whole texts.
    assert losses(model, "eval_f1")[-1] == 1.0


def test_before_a_frozen_language_model_only_the_new_parts_learn(frozen, tuned):
    assert parts(frozen) == {"backbone", "encoder", "projection", "identity"}
    assert changed(weights(tuned), weights(frozen)) == set()
    found = losses(frozen)
    assert found[-1] < found[0]


def test_a_frozen_language_model_has_the_room_for_captions_that_its_row_has(train, tuned):
    longer = TEXTS.model_copy(update={"max_note_tokens": TEXTS.max_note_tokens + 20})
    start, captioned = ("--base", tuned), LINEAR | {"reads": ["note", "captions", "series"]}
    model = train("train_frozen", "roomy", *start, parts=captioned, targets="diagnoses", epochs=1, texts=longer)
    assert Student.load(tuned).texts == TEXTS and Student.load(model).texts == longer


def test_a_q_former_learns_from_the_weights_of_its_bert_before_a_frozen_language_model(queried, tuned, bert):
    found = weights(queried)
    assert parts(queried) == {"backbone", "encoder", "qformer", "projection", "identity"}
    assert changed(weights(tuned), found) == set()
    before = QFormer.from_encoder(fusion().qformer, bert, fusion().series_encoder.width).state_dict()
    copied = {name for name in before if name != "queries" and ".crossattention." not in name}
    moved = changed({f"qformer.{name}": before[name] for name in copied}, found)
    # A bias of keys adds the same to all scores of a query, so that its gradient is only rounding.
    assert {f"qformer.{name}" for name in copied if not name.endswith("key.bias")} <= moved
    assert all(
        torch.dist(before[n], found[f"qformer.{n}"]) < 0.5 * before[n].norm() for n in copied if before[n].dim() > 1
    )
    loss = losses(queried)
    assert loss[-1] < loss[0]
    assert Student.load(queried).lab_tokens == 4


def test_an_untuned_language_model_stays_as_it_was_fetched(train, fetched):
    start = ("--base", fetched)
    model = train("train_frozen", "untuned", *start, parts=LINEAR, targets="diagnoses", epochs=1)
    assert changed(given(fetched), weights(model)) == set()


@pytest.mark.parametrize("name", ["prompted", "conditional"])
def test_a_model_with_prompts_is_scored_and_reads_the_features_if_it_has_them(name, place, request):
    model = request.getfixturevalue(name)
    read = files(place / "tables", None)
    features = place / "tables/features.parquet" if name == "conditional" else None
    tested = read_samples(type(read)(read.labels, read.notes, None, [], features=features), "test")
    table = predict(model, tested, PHENOTYPES, DECODING.model_copy(update={"beams": 2}), 3)
    assert table.num_rows == len(tested) and set(table["end"].to_pylist()) <= {"end_mark", "limit"}
    assert ("numbers" in tested[0]) == (name == "conditional")


@pytest.mark.parametrize("name", ["joint", "captioned", "frozen", "queried"])
def test_outputs_follow_the_labs_of_another_stay_where_they_are_read(name, place, request):
    model = request.getfixturevalue(name)
    read = files(place / "tables", None)
    captions = place / "tables/caption_tokens.arrow" if name == "captioned" else None
    series = read.series if name != "captioned" else []
    tested = read_samples(type(read)(read.labels, read.notes, None, series, captions), "test")
    other = exchange(tested, "labs", 1)
    assert ("caption_ids" in other[0]) == (name == "captioned")
    assert [row["phenotypes"] for row in other] == [row["phenotypes"] for row in tested]
    for rows in (tested, other):
        assert predict(model, rows, PHENOTYPES, DECODING, 3).num_rows == len(tested)
