"""Parameters of students on the published shapes of their language models; no weights are needed, nor memory."""

import pytest
import torch
import yaml
from toy_student import ROOT, TEXTS, tokenizer
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BertConfig,
    BertForMaskedLM,
    OPTConfig,
    PretrainedConfig,
    Qwen2Config,
    T5Config,
)

from clinragen.config.student import Fusion
from clinragen.model.backbone import adapter_of
from clinragen.model.qformer import QFormer
from clinragen.model.student import Student

FLAN = {"vocab_size": 32128, "d_kv": 64, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
FLAN["decoder_start_token_id"] = 0
SHAPES = {
    "flan-t5-small": T5Config(**FLAN, d_model=512, d_ff=1024, num_layers=8, num_heads=6),
    "flan-t5-large": T5Config(**FLAN, d_model=1024, d_ff=2816, num_layers=24, num_heads=16),
    "opt-125m": OPTConfig(
        vocab_size=50272,
        hidden_size=768,
        word_embed_proj_dim=768,
        ffn_dim=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        max_position_embeddings=2048,
    ),
    "qwen2.5-0.5b": Qwen2Config(
        vocab_size=151936,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    ),
}
BACKBONES = {
    "flan-t5-small": 76_961_152,
    "flan-t5-large": 783_150_080,
    "opt-125m": 125_239_296,
    "qwen2.5-0.5b": 494_032_768,
}
ENCODER = 8_381_952


# Bio_ClinicalBERT: a BERT of base size with the cased vocabulary.
CLINICAL_BERT = BertConfig(vocab_size=28996)


def counts(
    shape: PretrainedConfig,
    vocabulary: int | None,
    reads=("note", "series"),
    soft=None,
    bert: BertConfig | None = None,
) -> dict[str, int]:
    """Parameters by part, with the settings of config.yaml and this many tokens in the vocabulary of the attention.

    Without vocabulary a linear projection takes the place of the attention, after a Q-Former in the shape of a BERT.
    """
    settings = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["student"]
    with torch.device("meta"):
        if isinstance(shape, T5Config):
            model = AutoModelForSeq2SeqLM.from_config(shape)
            # transformers ties the output layer of a T5 that is built from a configuration; Flan-T5 has its own.
            model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.shared.weight))
        else:
            model = AutoModelForCausalLM.from_config(shape)
        width = model.get_input_embeddings().weight.shape[1]
        student = Student(adapter_of(model, tokenizer()), TEXTS, reads)
        if "series" in reads:
            words = None if vocabulary is None else torch.empty(vocabulary, width)
            fusion = Fusion.model_validate(settings["fusion"])
            qformer = QFormer(fusion.qformer, bert.to_dict(), fusion.series_encoder.width) if bert else None
            student._build_series_parts(fusion, 11, 1000, words, qformer)
        if soft:
            student.add_soft_prompts(soft, settings["soft_prompt"])
    return student.parameter_counts()


@pytest.mark.parametrize("name", BACKBONES)
def test_every_part_has_as_many_parameters_as_arithmetic_says(name):
    """Tied embeddings count once; the vocabulary's vectors are constants and do not count."""
    vocabulary, inner, heads = 2000, 8 * 32, 24
    found = counts(SHAPES[name], vocabulary)
    d = {"flan-t5-small": 512, "flan-t5-large": 1024, "opt-125m": 768, "qwen2.5-0.5b": 896}[name]
    projection, mixture = 768 * d + d, vocabulary * heads
    attention = 3 * (d * inner + inner) + inner * d + d
    assert found == {
        "backbone": BACKBONES[name],
        "encoder": ENCODER,
        "attention": projection + mixture + attention,
        "identity": 11 * d,
    }


def test_the_sizes_are_those_of_the_papers_table_1():
    """The paper prints 85M with the encoder, 87M for ClinRaGen and 793M for ClinRaGen*.

    87M fits an attention over all tokens (w/o KNOW); V^k has fewer. The identity of the variables is ours.
    """
    whole, identity = counts(SHAPES["flan-t5-small"], 32128), 11 * 512
    assert whole["backbone"] + whole["encoder"] == pytest.approx(85.3e6, abs=0.05e6)
    assert sum(whole.values()) - identity == pytest.approx(87.0e6, abs=0.05e6)
    knowledge = counts(SHAPES["flan-t5-small"], 2000)
    assert sum(knowledge.values()) - identity == pytest.approx(86.3e6, abs=0.05e6)
    large = counts(SHAPES["flan-t5-large"], 2000)
    assert sum(large.values()) - 11 * 1024 == pytest.approx(793.4e6, abs=0.05e6)


def test_the_sizes_of_the_other_rows_are_those_of_the_arithmetic():
    """Clinical CoT with TSE and FROZEN (printed 85M; 265M with a Q-Former), EHR-KnowGen (printed 77M), PROMPTEHR.

    The 75.2M that the paper prints for PROMPTEHR are fewer than Flan-T5-small has.
    """
    shape, small = SHAPES["flan-t5-small"], BACKBONES["flan-t5-small"]
    assert counts(shape, None) == {
        "backbone": small,
        "encoder": ENCODER,
        "projection": 768 * 512 + 512,
        "identity": 11 * 512,
    }
    assert 85.3e6 < sum(counts(shape, None).values()) < 85.8e6
    found = counts(shape, None, ("note", "captions"), soft="texts")
    assert found == {"backbone": small, "soft_prompts": 2 * 12 * 512} and sum(found.values()) == 76_973_440
    found = counts(shape, None, ("note",), soft="reparametrised")
    assert found == {"backbone": small, "prompt_pair": 2 * (12 * 2 * 128 + 128 * 512)}
    assert found["prompt_pair"] == 137_216 and sum(found.values()) == 77_098_368
    found = counts(shape, None, ("note", "features"), soft="conditional")
    numeric, categorical = 2 * 128 + 128 * 512, (3 + 12 + 2) * 128 + 128 * 512
    assert found == {"backbone": small, "prompt_pair": 2 * (numeric + categorical)}
    assert sum(found.values()) == 77_228_160


def test_the_265_million_of_frozen_are_those_of_a_q_former_with_the_text_side_of_its_bert():
    """264,971,716 in all, of which 79,970,884 are of the text side, that queries never pass.

    BLIP-2's own Q-Former keeps word and position embeddings, a second feed-forward part per layer and the output layer
    of the BERT, to be trained on texts before. Ours has only what reads series, and computes the same lab tokens.
    """
    found = counts(SHAPES["flan-t5-small"], None, bert=CLINICAL_BERT)
    queries, layer_norm, width = 32 * 768, 2 * 768, 768
    attention = 4 * (width * width + width) + layer_norm
    feed_forward = 2 * width * 3072 + 3072 + width + layer_norm
    assert found == {
        "backbone": BACKBONES["flan-t5-small"],
        "encoder": ENCODER,
        "qformer": queries + layer_norm + 12 * attention + 6 * attention + 12 * feed_forward,
        "projection": 768 * 512 + 512,
        "identity": 11 * 768,
    }
    assert found["qformer"] == 99_264_000
    with torch.device("meta"):
        bert = sum(p.numel() for p in BertForMaskedLM(CLINICAL_BERT).parameters())
    # A BERT's feed-forward parts stay as those of texts; its token types, which neither has, do not.
    text_side = bert - 2 * width - (12 * attention + layer_norm)
    assert text_side == 79_970_884 and found["qformer"] + text_side == 179_234_884
    assert sum(found.values()) - found["identity"] == 185_000_832
    assert 185_000_832 + text_side == 264_971_716
