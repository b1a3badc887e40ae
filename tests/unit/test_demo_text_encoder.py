"""The stand-in for a clinical BERT: the same every time, and usable wherever a real one is."""

from pathlib import Path

import pytest
import torch
from toy_student import PHENOTYPES, write_backbone, write_text_encoder
from transformers import AutoModel, AutoTokenizer

from clinragen.demo.tiny_encoder import build_tokenizer
from clinragen.errors import UserError
from clinragen.registry.text_encoders import require_encoder


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    return write_text_encoder(tmp_path_factory.mktemp("bert") / "bert")


def test_its_pieces_have_the_same_numbers_every_time():
    assert build_tokenizer(PHENOTYPES).get_vocab() == build_tokenizer(PHENOTYPES).get_vocab()


def test_it_reads_any_ascii_text_between_its_marks(directory):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    text = "Shock, pH 7.36 (low): {x} ~ 50% <a@b> Unheardofword"
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.is_fast and ids[0] == tokenizer.cls_token_id and ids[-1] == tokenizer.sep_token_id
    assert tokenizer.unk_token_id not in ids
    assert tokenizer("Shock")["input_ids"] != tokenizer("shock")["input_ids"]


@torch.inference_mode()
def test_it_has_512_positions(directory):
    require_encoder(directory, "tiny-bert")
    model = AutoModel.from_pretrained(directory).eval()
    assert model(input_ids=torch.full((1, 512), 7)).last_hidden_state.shape == (1, 512, 64)
    assert model.config.max_position_embeddings == 512


def test_a_tokenizer_of_another_model_and_a_model_of_another_kind_are_refused(directory, tmp_path):
    with pytest.raises(UserError, match="model_type t5; supported text encoders: bert"):
        require_encoder(write_backbone(tmp_path / "t5"), "some/t5")
    other = write_text_encoder(tmp_path / "other")
    config = (other / "config.json").read_text(encoding="utf-8")
    (other / "config.json").write_text(config.replace('"vocab_size": ', '"vocab_size": 1, "old": '), encoding="utf-8")
    with pytest.raises(UserError, match=r"some/bert: the tokenizer has \d+ tokens but the model only 1"):
        require_encoder(other, "some/bert")
