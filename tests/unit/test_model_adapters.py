"""Adapters of a language model: their layers, their number of parameters, their checkpoints."""

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from test_model_backbone import adapter
from toy_student import LORA, ROOT, TEXTS, batch, tokenizer, write_backbone
from transformers import AutoModelForCausalLM, LlamaConfig
from transformers.pytorch_utils import Conv1D

from clinragen.config.train import Lora
from clinragen.errors import UserError
from clinragen.model.adapters import MARK, add_adapters
from clinragen.model.backbone import adapter_of
from clinragen.model.student import Base, Student
from clinragen.registry.language_models import KINDS, LINEAR_LAYERS, adapters_problem
from clinragen.registry.snapshot import write_source

LLAMA_7B = LlamaConfig(
    vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32
)


def lora(**changes: object) -> Lora:
    return Lora(**{"learning_rate": 1e-3, "epochs": 1, "patience": 1} | LORA | {"dropout": 0.0} | changes)


def llama_7b(**changes: object) -> Student:
    """LLaMA-7B without weights, with adapters of config.yaml."""
    settings = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["train"]["lora"]
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(LLAMA_7B)
        student = Student(adapter_of(model, tokenizer("tiny-llama")), TEXTS, ("note", "captions"))
        student.add_adapters(Lora(**settings | changes), Base("llama", None, "hash", "bfloat16"))
    return student


def random_adapters(student: Student) -> None:
    """New adapters add nothing, since one of their factors is zero."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if MARK in name:
                parameter.normal_(std=0.2)


def tuned(directory: Path, shape: str = "tiny-llama", dtype: torch.dtype = torch.float32, **changes: object) -> Student:
    made = Student.from_backbone(directory, TEXTS, ("note",), dtype).eval()
    made.add_adapters(lora(**changes), Base.of(directory, dtype))
    random_adapters(made)
    return made


def test_llama_7b_has_as_many_parameters_to_train_as_arithmetic_says():
    """Rank x (inputs + outputs) of each of q, k, v, o (4096, 4096) and gate, up, down (4096, 11008), in 32 blocks."""
    student = llama_7b()
    assert student.parameter_counts() == {"backbone": 6_738_415_616, "adapters": 39_976_960}
    assert student.parameter_counts(trained=True) == {"backbone": 0, "adapters": 39_976_960}
    assert 39_976_960 == 32 * 16 * (4 * (4096 + 4096) + 3 * (4096 + 11008))


def test_fewer_layers_and_another_rank_are_settings():
    """PEFT's own choice at rank 8, and that of alpaca-lora."""
    assert llama_7b(rank=8, modules=["q_proj", "v_proj"]).parameter_counts(trained=True)["adapters"] == 4_194_304
    attention = ["q_proj", "k_proj", "v_proj", "o_proj"]
    assert llama_7b(modules=attention).parameter_counts(trained=True)["adapters"] == 16_777_216


@pytest.mark.parametrize("model_type", KINDS)
def test_all_means_every_linear_layer_within_the_blocks(model_type):
    model = adapter(model_type).model
    linear = {n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear | Conv1D)}
    add_adapters(model, lora())
    adapted = {re.split(r"\.lora_[AB]\.", name)[0] for name, _ in model.named_parameters() if MARK in name}
    # Outside of the blocks: the layer of logits, and OPT-350m's between embeddings and hidden states.
    assert linear - adapted == {
        n for n in linear if n.rpartition(".")[2] in ("lm_head", "embed_out", "project_in", "project_out")
    }
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {
        name for name, _ in model.named_parameters() if MARK in name
    }


def test_every_type_of_model_has_a_list_of_its_layers():
    assert LINEAR_LAYERS.keys() == KINDS.keys()


def test_layers_that_a_model_lacks_are_refused_by_name(tmp_path):
    modules = ["q_proj", "v_proj", "wo"]
    assert "t5, which has no layers q_proj, v_proj (train.lora.modules), but q, k" in adapters_problem(
        "m", "t5", modules
    )
    assert adapters_problem("m", "t5", ["q", "wo"]) is None and adapters_problem("m", "llama", []) is None
    student = Student.from_backbone(write_backbone(tmp_path / "b"), TEXTS, ("note",))
    with pytest.raises(UserError, match="no layers q_proj, v_proj"):
        student.add_adapters(lora(modules=modules), Base("b", None, "hash", "float32"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", ["tiny", "tiny-llama", "tiny-opt"])
@torch.no_grad()
def test_adapters_alone_are_stored_and_beside_the_same_model_give_the_same_logits(shape, dtype, tmp_path):
    """In full precision: rounded as in training, the model's own weights then are no longer rounded with every step."""
    base = write_backbone(tmp_path / "base", shape=shape)
    made = tuned(base, shape, dtype)
    made.save(tmp_path / "model", tokenizer(shape))
    stored = load_file(tmp_path / "model/backbone/adapter_model.safetensors")
    assert stored and all(MARK in name for name in stored)
    assert {tensor.dtype for tensor in stored.values()} == {torch.float32}
    assert not [p.name for p in (tmp_path / "model").rglob("*") if p.name in ("model.safetensors", "config.json")]
    again = Student.load(tmp_path / "model", base=base).eval()
    assert torch.equal(again(**batch()), made.float()(**batch()))
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    plain = Student.from_backbone(base, TEXTS, ("note",), dtype).float().eval()
    assert not torch.allclose(again(**batch()), plain(**batch()), atol=1e-3)
    assert again.parameter_counts() == made.parameter_counts()


def test_stored_adapters_name_their_model_and_its_commit_and_no_place(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")  # nothing is looked up even where it could be
    base = write_backbone(tmp_path / "base", shape="tiny-llama")
    write_source(base, {"source": "meta-llama/Llama-2-7b-hf", "revision": "main", "commit": "c" * 40})
    tuned(base).save(tmp_path / "model", tokenizer("tiny-llama"))
    config = json.loads((tmp_path / "model/backbone/adapter_config.json").read_text(encoding="utf-8"))
    assert (config["base_model_name_or_path"], config["revision"]) == ("meta-llama/Llama-2-7b-hf", "c" * 40)
    for path in (tmp_path / "model").rglob("*.json"):
        assert str(tmp_path) not in path.read_text(encoding="utf-8")


def test_a_checkpoint_of_a_run_holds_no_weight_that_does_not_change(tmp_path):
    base = write_backbone(tmp_path / "base", shape="tiny-llama")
    made, other = tuned(base), tuned(base, rank=4)
    state = made.state_dict()
    assert set(state) == {name for name, _ in made.named_parameters() if MARK in name}
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            parameter.add_(1.0 if MARK in name else 0.0)
    assert other.load_state_dict(state).missing_keys == []
    with torch.no_grad():
        assert torch.equal(other(**batch()), made(**batch()))
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_state_dict(dict(list(state.items())[1:]))


def test_adapters_beside_other_weights_or_none_are_refused(tmp_path):
    base = write_backbone(tmp_path / "base", shape="tiny-llama")
    tuned(base).save(tmp_path / "model", tokenizer("tiny-llama"))
    with pytest.raises(UserError, match="model: holds adapters of tiny-llama alone; name the directory"):
        Student.load(tmp_path / "model")
    other = write_backbone(tmp_path / "other", seed=1, shape="tiny-llama")
    with pytest.raises(
        UserError, match=f"trained with tiny-llama at its content then, but {other} holds other weights"
    ):
        Student.load(tmp_path / "model", base=other)
    (other / "source.json").unlink()
    with pytest.raises(UserError, match="does not say which weights these are"):
        Student.load(tmp_path / "model", base=other)


@pytest.mark.parametrize("shape", ["tiny", "tiny-llama"])
def test_computed_again_in_the_backward_pass_gradients_of_adapters_are_the_same(shape, tmp_path):
    base, found = write_backbone(tmp_path / "base", shape=shape), []
    for again in (False, True):
        made = tuned(base).train()
        if again:
            made.backbone.activation_checkpointing_enable()
        made(**batch()).square().mean().backward()
        found.append({name: p.grad for name, p in made.named_parameters() if p.grad is not None})
    plain, again = found
    assert plain.keys() == again.keys() and all(MARK in name for name in plain)
    for name, gradient in plain.items():
        assert gradient.abs().max() > 0
        torch.testing.assert_close(again[name], gradient)
