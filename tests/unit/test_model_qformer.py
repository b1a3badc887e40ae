"""The Q-Former: layers of a BERT, queries that read vectors of series, and the student around it."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from toy_student import CHANNELS, STEPS, TEXTS, batch, fusion, tokenizer, write_backbone, write_text_encoder
from transformers import AutoModel

from clinragen.config.student import QFormer as Settings
from clinragen.demo.tiny_student import build_model
from clinragen.errors import UserError
from clinragen.model.backbone import adapter_of
from clinragen.model.qformer import QFormer
from clinragen.model.student import INPUTS, Student

SETTINGS = Settings(queries=4, cross_attention_every=2)
WIDTH = 16


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    return write_text_encoder(tmp_path_factory.mktemp("bert") / "bert")


@pytest.fixture
def qformer(bert) -> QFormer:
    torch.manual_seed(0)
    return QFormer.from_encoder(SETTINGS, bert, WIDTH).eval()


def student(bert: Path, seed: int = 0, **changes: object) -> Student:
    made = Student(adapter_of(build_model(len(tokenizer()), seed), tokenizer()), TEXTS, ("note", "series"))
    torch.manual_seed(seed)
    made.add_series_parts(fusion(**changes), CHANNELS, STEPS, None, bert)
    return made.eval()


def labs(model: Student, rows: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.inference_mode():
        return model._labs(rows)[0]


@torch.inference_mode()
def test_a_layer_without_cross_attention_computes_what_that_of_the_bert_does(qformer, bert):
    """What is copied is at its place: queries pass the BERT's self-attention and feed-forward part."""
    vectors = torch.randn(2, 4, qformer.width)
    theirs = AutoModel.from_pretrained(bert).eval()
    ours = qformer.transformer.encoder.layer
    assert [hasattr(layer, "crossattention") for layer in ours] == [True, False]
    assert torch.allclose(ours[1](vectors, query_length=4), theirs.encoder.layer[1](vectors), atol=1e-6)
    assert torch.equal(qformer.transformer.layernorm(vectors), theirs.embeddings.LayerNorm(vectors))


def test_all_but_queries_and_cross_attention_comes_from_the_bert(qformer, bert):
    theirs = {id(v): v for v in load_file(bert / "model.safetensors").values()}.values()
    new = {
        name
        for name, weight in qformer.state_dict().items()
        if not any(weight.shape == other.shape and torch.equal(weight, other) for other in theirs)
    }
    assert "queries" in new and len(new) == 5
    # Biases and norms of new parts begin as those of the BERT: zeros and ones.
    assert all(name == "queries" or ".crossattention." in name for name in new), new


def test_a_hidden_vector_changes_nothing(qformer):
    vectors, mask = torch.randn(2, 6, WIDTH), torch.ones(2, 6, dtype=torch.long)
    mask[1, 4:] = 0
    other = vectors.clone()
    other[1, 4:] = 1e3
    with torch.inference_mode():
        first, second = (qformer(v, mask) for v in (vectors, other))
        alone = qformer(vectors[1:, :4], mask[1:, :4])
        unmasked = qformer(other, torch.ones_like(mask))
    assert first.shape == (2, 4, qformer.width)
    assert torch.equal(first, second) and torch.allclose(first[1:], alone, atol=1e-6)
    assert not torch.allclose(unmasked[1], first[1], atol=1e-3)


def test_queries_learn_different_things(qformer):
    with torch.inference_mode():
        read = qformer(torch.randn(1, 3, WIDTH), torch.ones(1, 3, dtype=torch.long))
    assert torch.pdist(read[0]).min() > 1e-3


@pytest.mark.parametrize("token", ["last_of_stay", "all"])
def test_each_query_is_a_lab_token_and_padded_patches_change_none(token, bert):
    model, rows = student(bert, series_encoder__token=token, series_encoder__mask_padding=True), batch()
    rows["steps"][0] = 8  # the second patch of the first stay is padding
    other = rows | {"series": rows["series"].clone()}
    other["series"][0, 8:] += 5.0
    prompt, mask = model._embed(**{k: rows[k] for k in INPUTS if k in rows})
    assert model.lab_tokens == 4 and labs(model, rows).shape == (2, 4, 64)
    assert prompt.shape[1] == 4 + 7 and mask.all()
    assert torch.allclose(labs(model, rows), labs(model, other), atol=1e-6)
    other["series"][0, :8] += 5.0
    assert not torch.allclose(labs(model, rows)[0], labs(model, other)[0], atol=1e-4)


def test_it_knows_which_variable_a_value_is_of(bert):
    rows = batch()
    swapped = rows | {"series": rows["series"][:, :, [1, 0, 2]]}
    known, unknown = (student(bert, variable_identity=identity) for identity in (True, False))
    for model in (known, unknown):  # as if it had learned to attend
        for weight in model.qformer.transformer.encoder.layer[0].crossattention.parameters():
            weight.data.mul_(20.0)
    assert not torch.allclose(labs(known, rows), labs(known, swapped), atol=1e-4)
    assert torch.allclose(labs(unknown, rows), labs(unknown, swapped), atol=1e-5)
    assert known.identity.weight.shape == (CHANNELS, WIDTH)


def test_a_saved_student_needs_no_bert(bert, tmp_path):
    model, rows = student(bert), batch()
    model.save(tmp_path, tokenizer())
    facts = json.loads((tmp_path / "student.json").read_text(encoding="utf-8"))
    assert facts["qformer"]["hidden_size"] == 64 and facts["qformer"]["num_hidden_layers"] == 2
    assert facts["parameters"]["qformer"] == sum(p.numel() for p in model.qformer.parameters())
    loaded = Student.load(tmp_path).eval()
    assert loaded.lab_tokens == 4
    with torch.inference_mode():
        assert torch.equal(model(**rows), loaded(**rows))


def test_gradients_reach_every_part_through_a_frozen_language_model(bert):
    model, rows = student(bert), batch()
    model.freeze("backbone")
    model(**rows).sum().backward()
    assert all(p.grad is None for p in model.backbone.parameters())
    for name in ("encoder", "qformer", "projection", "identity"):
        silent = [n for n, p in getattr(model, name).named_parameters() if p.grad is None]
        assert silent == [], name
    assert model.qformer.queries.grad.abs().sum() > 0 and model.identity.weight.grad.abs().sum() > 0


def test_in_half_precision_it_reads_the_same(bert):
    model, rows = student(bert), batch()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        half, _ = model._labs(rows)
    assert half.dtype == torch.float32 and torch.allclose(half, labs(model, rows), atol=0.1)


def test_the_seed_decides_what_is_new(bert):
    first, second, other = (student(bert, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["qformer.queries"], other["qformer.queries"])


def test_what_is_no_whole_bert_is_refused(bert, tmp_path):
    def refused(directory: Path) -> str:
        with pytest.raises(UserError) as error:
            QFormer.from_encoder(SETTINGS, directory, WIDTH)
        return str(error.value)

    assert "is of model_type t5; a Q-Former is built from a bert: name one" in refused(write_backbone(tmp_path / "t5"))
    assert "not a readable language model" in refused(tmp_path / "nothing")
    damaged = write_text_encoder(tmp_path / "damaged")
    weights = load_file(damaged / "model.safetensors")
    del weights["encoder.layer.1.attention.self.key.weight"]
    save_file(weights, damaged / "model.safetensors", {"format": "pt"})
    assert "encoder.layer.1.attention.self.key.weight is missing, one of 1; fetch it again" in refused(damaged)
