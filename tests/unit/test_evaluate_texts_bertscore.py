"""BERTScore of a tiny model, compared with bert-score's command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import ByteLevelBPETokenizer
from toy_student import write_text_encoder
from transformers import AutoTokenizer, RobertaConfig, RobertaModel, RobertaTokenizer

from clinragen.config.evaluate import BertScore
from clinragen.errors import UserError
from clinragen.evaluate.texts.bertscore import Scorer, bertscores
from clinragen.evaluate.texts.runs import Cases, Texts
from clinragen.model.text_encoder import load_text_encoder

SETTINGS = BertScore(encoder="tiny", layer=1, batch=2, device="cpu")
PAIRS = [
    ("Shock with fever", "Lab test shows fever, in keeping with shock."),
    ("pH is lower than normal 3 times.", "pH is lower than normal 2 times."),
    ("Shock with fever", "Shock with fever"),
    ("x " * 700, "Shock"),
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    """A tiny BERT whose tokenizer has a length limit, as bert-score's command line requires."""
    path = write_text_encoder(tmp_path_factory.mktemp("bert") / "bert")
    tokenizer = AutoTokenizer.from_pretrained(path)
    tokenizer.model_max_length = 512
    tokenizer.save_pretrained(path)
    return path


def test_scores_are_those_of_the_command_line_of_bert_score(encoder, tmp_path):
    files = {name: tmp_path / name for name in ("text", "reference")}
    for file, side in zip(files.values(), zip(*PAIRS, strict=True), strict=True):
        file.write_text("".join(f"{line}\n" for line in side), encoding="utf-8")
    command = [sys.executable, "-m", "bert_score_cli.score", "-r", files["reference"], "-c", files["text"]]
    run = subprocess.run(
        [*command, "-m", encoder, "-l", "1", "-s", "-b", "4"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    printed = [tuple(map(float, line.split("\t"))) for line in run.stdout.splitlines() if line.count("\t") == 2]
    assert len(printed) == len(PAIRS) and len(set(printed)) == len(PAIRS)
    scorer = Scorer(encoder, SETTINGS)
    assert np.array(scorer.score(PAIRS)) == pytest.approx(np.array(printed), abs=1.1e-5)
    assert scorer.cut == 1
    # A text with itself.
    assert printed[2] == (1, 1, 1)


def test_neither_the_batch_nor_the_order_of_the_pairs_matters(encoder):
    once = Scorer(encoder, SETTINGS).score(PAIRS)
    again = Scorer(encoder, SETTINGS.model_copy(update={"batch": 64})).score(PAIRS[::-1])
    assert np.array(again[::-1]) == pytest.approx(np.array(once), abs=1.1e-5)


def test_a_tokenizer_without_a_limit_takes_that_of_the_model(tmp_path):
    path = write_text_encoder(tmp_path / "bert")
    facts = json.loads((path / "tokenizer_config.json").read_text(encoding="utf-8"))
    facts.pop("model_max_length", None)
    (path / "tokenizer_config.json").write_text(json.dumps(facts), encoding="utf-8")
    scorer = Scorer(path, SETTINGS)
    assert scorer.score([PAIRS[-1]]) and scorer.cut == 1


@pytest.fixture(scope="module")
def roberta(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("roberta")
    trained = ByteLevelBPETokenizer()
    marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(["a fever and a cough with fever and shock"] * 9, vocab_size=300, special_tokens=marks)
    trained.save_model(str(path))
    vocabulary = json.loads((path / "vocab.json").read_text(encoding="utf-8"))
    merges = (path / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    tokenizer = RobertaTokenizer(vocab=vocabulary, merges=[tuple(pair.split()) for pair in merges])
    tokenizer.save_pretrained(path)
    torch.manual_seed(1)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    RobertaModel(RobertaConfig(vocab_size=len(tokenizer), max_position_embeddings=66, **sizes)).save_pretrained(path)
    return path


def test_roberta_tokenizes_the_first_word_of_a_text_like_any_other(roberta):
    """Without a preceding space its tokens would differ, and it would not match the same word elsewhere."""
    scorer = Scorer(roberta, SETTINGS)
    assert scorer._tokenizer.tokenize("fever and fever") == ["Ġfever", "Ġand", "Ġfever"]
    # Two of the 66 positions belong to the padding.
    assert scorer._tokenizer.model_max_length == 64
    assert scorer.score([("fever " * 90, "fever")])


def test_no_model_is_built_from_a_roberta(roberta):
    with pytest.raises(UserError, match="model_type roberta; trained models are built of bert only"):
        load_text_encoder(roberta)


def test_a_layer_beyond_the_encoder_is_an_error(encoder):
    with pytest.raises(UserError, match=r"evaluate\.bertscore\.layer is 17, but .* has 2 layers; choose"):
        Scorer(encoder, SETTINGS.model_copy(update={"layer": 17}))


def test_empty_texts_score_0_and_cases_without_a_reference_have_no_score(encoder):
    cases = Cases([1, 2, 3], np.arange(3), frozenset((1, 2, 3)))
    true: list[list[str]] = [[], [], []]
    teacher = Texts("GT", "teacher", {"note": ["Shock", "Shock", None], "lab": ["pH", None, None]}, true)
    silent = Texts("silent", "asked", {"note": [None, "", "a"], "lab": [None] * 3}, true)
    brief = Texts("brief", "seed1", {"note": ["Shock", " ", "a"]}, true)
    rows = bertscores([silent, brief], teacher, cases, Scorer(encoder, SETTINGS)).to_pylist()
    found = {(r["stay_id"], r["model"], r["part"]): r["f1"] for r in rows}
    assert found == {
        **dict.fromkeys([(1, "silent", "note"), (2, "silent", "note"), (1, "silent", "lab")], 0),
        **dict.fromkeys([(1, "silent", "both"), (2, "silent", "both"), (2, "brief", "note")], 0),
        (1, "brief", "note"): 1,
    }
