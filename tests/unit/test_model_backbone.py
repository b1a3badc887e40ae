"""Adapters of language models: layout, padding, marks, generation; a tiny random model of every supported type."""

import json

import pytest
import torch
from toy_student import TEXTS, batch, student, tokenizer, write_backbone
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from clinragen.config.student import Lengths
from clinragen.errors import UserError
from clinragen.model.backbone import IGNORED, Backbone, adapter_of, load_backbone
from clinragen.model.inputs import Collator, Row
from clinragen.model.student import Student
from clinragen.model.target_codec import SECTIONS
from clinragen.model.tokens import INSTRUCTION, encode_notes, encode_targets
from clinragen.registry.language_models import KINDS, kind_of, require_trainable
from clinragen.registry.tokenizer import marks_of

GPT = ["tiny-opt", "tiny-qwen", "tiny-llama"]
SIZES = {
    "t5": {"d_model": 32, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0},
    "opt": {"word_embed_proj_dim": 16, "ffn_dim": 32},  # of another width than the hidden states, as OPT-350m
    "gpt2": {"n_positions": 128},
}
FLOAT32 = {"atol": 5e-5, "rtol": 1e-4}


def adapter(model_type: str) -> Backbone:
    """A random model of a type, in evaluation mode, that writes something."""
    torch.manual_seed(0)
    causal = KINDS[model_type] == "causal"
    words = tokenizer("tiny-opt" if causal else "tiny")
    general = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    size = SIZES["t5"] if not causal else general | {"num_key_value_heads": 2} | SIZES.get(model_type, {})
    marks = {"pad_token_id": 0, "eos_token_id": 1} if not causal else {"pad_token_id": 1, "eos_token_id": 2}
    config = AutoConfig.for_model(model_type, vocab_size=len(words), **size, **marks, bos_token_id=2)
    model = (AutoModelForCausalLM if causal else AutoModelForSeq2SeqLM).from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))  # otherwise all logits are nearly equal
    return adapter_of(model.eval(), words)


def prompts(*lengths: int) -> list[torch.Tensor]:
    """Random tokens of these lengths, neither padding nor marks."""
    random = torch.Generator().manual_seed(1)
    return [torch.randint(10, 60, (length,), generator=random) for length in lengths]


def padded(made: Backbone, tokens: list[torch.Tensor], at: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """The tokens as one batch; padding begins after `at` tokens, or at their end if that is 0."""
    longest = max(map(len, tokens)) + 2
    ids, mask = torch.zeros(2, len(tokens), longest, dtype=torch.long)
    for row, values in enumerate(tokens):
        places = torch.arange(len(values))
        places[at:] += (longest - len(values)) * bool(at)
        ids[row, places], mask[row, places] = values, 1
    return made.model.get_input_embeddings()(ids), mask


@pytest.mark.parametrize("model_type", KINDS)
@pytest.mark.parametrize("at", [0, 2])
@torch.no_grad()
def test_padding_of_any_place_changes_neither_logits_nor_what_is_written(model_type, at):
    """In float32 to 5e-5 of logits of size 1 to 10; a batch writes what its samples write one by one."""
    made = adapter(model_type)
    tokens, targets = prompts(3, 7, 5), prompts(4, 2, 6)
    labels = torch.nn.utils.rnn.pad_sequence(targets, batch_first=True, padding_value=IGNORED)
    vectors, mask = padded(made, tokens, at)
    together = made.logits(*made.prompt(vectors, mask), labels)
    written = made.generate(*made.prompt(vectors, mask), max_new_tokens=8, do_sample=False)
    assert together.shape == (*labels.shape, len(made.model.get_output_embeddings().weight))
    assert together.isfinite().all()
    for row, (prompt, target) in enumerate(zip(tokens, targets, strict=True)):
        alone = made.model.get_input_embeddings()(prompt[None]), torch.ones(1, len(prompt), dtype=torch.long)
        logits = made.logits(*made.prompt(*alone), target[None])
        torch.testing.assert_close(together[row, : len(target)], logits[0], **FLOAT32)
        one = made.generate(*made.prompt(*alone), max_new_tokens=8, do_sample=False)[0]
        assert written[row, : len(one)].tolist() == one.tolist()
        assert set(written[row, len(one) :].tolist()) <= {made.model.generation_config.pad_token_id}
        again = made.logits(*made.prompt(*alone), one[None]).argmax(-1)[0]
        assert again.tolist() == one.tolist()  # greedy: training and writing see the same
    assert len({tuple(row) for row in written.tolist()}) > 1


@pytest.mark.parametrize("shape", ["tiny", *GPT])
@torch.no_grad()
def test_attention_is_fused_and_computes_what_eager_attention_does(shape, tmp_path):
    """With padding, and with the position bias of T5, which fused attention gets as a mask."""
    made = load_backbone(write_backbone(tmp_path, shape=shape))
    made.model.eval()
    assert made.model.config._attn_implementation == "sdpa"
    vectors, mask = padded(made, prompts(3, 7, 5), 2)
    labels = torch.full((3, 4), 9)
    fused = made.logits(*made.prompt(vectors, mask), labels)
    made.model.set_attn_implementation("eager")
    assert torch.allclose(made.logits(*made.prompt(vectors, mask), labels), fused, atol=1e-5)
    if shape == "tiny":
        made.model.set_attn_implementation("sdpa")
        for stack in (made.model.encoder, made.model.decoder):
            bias = stack.block[0].layer[0].SelfAttention.relative_attention_bias.weight
            bias.copy_(bias.flip(0))
        assert (made.logits(*made.prompt(vectors, mask), labels) - fused).abs().max() > 1e-4


@pytest.mark.parametrize("model_type", [name for name, kind in KINDS.items() if kind == "causal"])
@torch.no_grad()
def test_the_loss_is_that_of_transformers_over_start_prompt_break_and_target(model_type):
    """The same text as token ids, with transformers' own loss, whose labels leave the prompt out."""
    made = adapter(model_type)
    (note,), (target,) = prompts(7), prompts(5)
    head = torch.tensor([*made.marks.start, *note, *made.marks.line_break])
    ids = torch.cat([head, target])[None]
    expected = made.model(input_ids=ids, labels=torch.cat([torch.full_like(head, IGNORED), target])[None]).loss
    vectors, mask = padded(made, [note])
    logits = made.logits(*made.prompt(vectors, mask), target[None])
    torch.testing.assert_close(torch.nn.functional.cross_entropy(logits[0], target), expected, **FLOAT32)


@pytest.mark.parametrize("shape", GPT)
def test_nothing_behind_a_target_token_changes_its_logits(shape):
    model, rows = student(shape=shape), batch()
    changed = rows["labels"].clone()
    changed[:, 3:] = 11
    with torch.no_grad():
        before, after = model(**rows), model(**rows | {"labels": changed})
    assert torch.equal(before[:, :4], after[:, :4]) and not torch.equal(before[:, 4], after[:, 4])


@pytest.mark.parametrize("reads", ["notes", "labs", "both"])
@pytest.mark.parametrize("shape", GPT)
def test_every_prompt_begins_with_the_start_mark_and_ends_with_a_line_break(shape, reads):
    model, rows = student(reads, shape=shape), batch()
    (embedded, mask), marks = (
        model._embed(**{k: v for k, v in rows.items() if k != "labels"}),
        marks_of(tokenizer(shape)),
    )
    table = model.backbone.get_input_embeddings().weight
    assert marks.start == {"tiny-opt": (2,), "tiny-qwen": (), "tiny-llama": (1,)}[shape]
    for ids, vectors in (
        (marks.start, embedded[:, : len(marks.start)]),
        (marks.line_break, embedded[:, -len(marks.line_break) :]),
    ):
        assert torch.equal(vectors, table[list(ids)].expand(2, -1, -1))
    written = ["▁", "<0x0A>"] if shape == "tiny-llama" else ["Ċ"]
    assert tokenizer(shape).convert_ids_to_tokens(list(marks.line_break)) == written
    length = {"notes": 7, "labs": 3, "both": 10}[reads] + len(marks.start) + len(written)
    assert mask.tolist() == [[1] * length] * 2


def row(words: PreTrainedTokenizerBase, note: str, text: str, longest: int = 200) -> Row:
    """A sample of this note and this target."""
    (encoded,), (learned,) = encode_notes([note], words, 48), encode_targets([text], words, longest)
    return {"input_ids": encoded["tokens"], "labels": learned["tokens"], "sections": learned["sections"]}


TARGET = "Diagnoses: Shock. Note rationale: on café notes, cold. Lab rationale: Lab test shows pH."


def target(shape: str) -> str:
    """A target; only byte-level tokenizers know every character."""
    return TARGET.replace("é", "e") if shape == "tiny" else TARGET


@pytest.mark.parametrize("shape", ["tiny", *GPT])
def test_targets_end_with_the_end_mark_and_hold_no_start_mark(shape):
    words = tokenizer(shape)
    found = row(words, "cold", target(shape))
    assert found["labels"][-1] == words.eos_token_id and words.eos_token_id not in found["labels"][:-1]
    assert words.decode(found["labels"], skip_special_tokens=True) == target(shape)
    assert found["input_ids"][0] != words.bos_token_id
    assert words.decode(found["input_ids"], skip_special_tokens=True) == INSTRUCTION + "cold"


@pytest.mark.parametrize("shape", ["tiny", *GPT])
def test_a_target_that_is_cut_has_its_end_mark_within_the_limit(shape):
    """As T5's own tokenizer cuts."""
    words = tokenizer(shape)
    (found,) = encode_targets([TARGET], words, 9)
    assert len(found["tokens"]) == 9 and found["tokens"][-1] == words.eos_token_id and found["whole"] > 9
    if shape == "tiny":
        assert found["tokens"] == words(TARGET, truncation=True, max_length=9)["input_ids"]


@pytest.mark.parametrize("shape", ["tiny", *GPT])
def test_sections_begin_with_the_token_of_their_marker(shape):
    words, whole = tokenizer(shape), target(shape)
    found = row(words, "cold", whole)
    starts = [whole.index(marker) for marker in ("Note rationale:", "Lab rationale:")]
    parts = [whole[: starts[0]], whole[starts[0] : starts[1]], whole[starts[1] :]]
    for section, text in enumerate(parts):
        ids = [i for i, s in zip(found["labels"], found["sections"], strict=True) if s == section]
        assert words.decode(ids, skip_special_tokens=True).strip() == text.strip(), SECTIONS[section]
    assert found["sections"] == sorted(found["sections"])


@pytest.mark.parametrize("padding", ["the end mark", "none"])
def test_a_padding_mark_that_is_the_end_mark_or_missing_hides_no_label(padding):
    words = tokenizer("tiny-qwen") if padding == "the end mark" else PreTrainedTokenizerFast(
        tokenizer_object=tokenizer("tiny-qwen").backend_tokenizer, eos_token="<|endoftext|>"
    )  # fmt: skip
    assert words.pad_token_id == (words.eos_token_id if padding == "the end mark" else None)
    rows = [row(words, "cold", "Diagnoses: Shock."), row(words, "cold fluids", TARGET)]
    found = Collator(words, None)(rows)
    assert [labels[labels != IGNORED].tolist() for labels in found["labels"]] == [r["labels"] for r in rows]
    assert found["attention_mask"].sum(1).tolist() == [len(r["input_ids"]) for r in rows]


@pytest.mark.parametrize("shape", ["tiny", *GPT])
@pytest.mark.parametrize("tied", [True, False])
def test_an_output_layer_stays_tied_or_its_own(shape, tied, tmp_path):
    model = student(shape=shape)
    if tied == (shape in ("tiny", "tiny-llama")):  # these have their own, the others have not
        model.backbone.config.tie_word_embeddings = tied
        own = torch.nn.Parameter(model.backbone.lm_head.weight.detach().clone() + 0.1)
        model.backbone.lm_head.weight = model.backbone.get_input_embeddings().weight if tied else own
        model = Student(adapter_of(model.backbone, tokenizer(shape)), TEXTS, ("note",))
    model.save(tmp_path, tokenizer(shape))
    loaded = Student.load(tmp_path).eval()
    layers = loaded.backbone.get_input_embeddings().weight, loaded.backbone.get_output_embeddings().weight
    assert (layers[0] is layers[1]) is tied
    with torch.no_grad():
        assert torch.equal(loaded(**batch()), model.eval()(**batch()))
    assert loaded.parameter_counts() == model.parameter_counts()


@pytest.mark.parametrize("shape", ["tiny", *GPT])
def test_sampling_penalties_and_limits_that_come_with_a_model_are_not_used(shape, tmp_path):
    directory, rows = write_backbone(tmp_path, shape=shape), batch()
    plain = Student(load_backbone(directory), TEXTS, ("note",)).eval()
    settings = {"do_sample": True, "temperature": 0.1, "repetition_penalty": 5.0, "num_beams": 4, "min_new_tokens": 6}
    (directory / "generation_config.json").write_text(json.dumps(settings), encoding="utf-8")
    other = Student(load_backbone(directory), TEXTS, ("note",)).eval()
    options = {"max_new_tokens": 8, "do_sample": False, "num_beams": 1}
    assert torch.equal(plain.generate(rows, **options), other.generate(rows, **options))


@pytest.mark.parametrize("shape", GPT)
def test_a_chat_template_is_not_used(shape):
    words = tokenizer(shape)
    found = row(words, "cold", TARGET)
    words.chat_template = "{% for message in messages %}CHAT{% endfor %}"
    try:
        assert row(words, "cold", TARGET) == found
    finally:
        words.chat_template = None


# --- Vectors before the target ---


@pytest.mark.parametrize("model_type", KINDS)
@pytest.mark.parametrize("beams", [1, 2])
@pytest.mark.parametrize("cached", [True, False])
@torch.no_grad()
def test_in_every_step_of_writing_the_logits_are_those_of_training(model_type, beams, cached):
    """Each sample of a batch of unequal lengths has separate vectors before its target, and so have its beams."""
    made, count = adapter(model_type), 3
    before = torch.randn(count, 4, made.model.get_input_embeddings().weight.shape[1])
    vectors, mask = padded(made, prompts(3, 7, 5))
    steps: list[tuple[torch.Tensor, torch.Tensor]] = []

    def record(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        steps.append((ids.clone(), scores.log_softmax(-1)))
        return scores

    options = {"num_beams": beams, "max_new_tokens": 6, "do_sample": False, "use_cache": cached}
    written = made.generate(*made.prompt(vectors, mask), before, logits_processor=[record], **options)
    held = len(before[0]) + 1 if KINDS[model_type] == "seq2seq" else 0
    assert len(steps) >= 4 and steps[0][0].shape == (count * beams, held) and written.shape[1] <= 6
    whole = [part.repeat_interleave(beams, 0) for part in (*made.prompt(vectors, mask), before)]
    for ids, scores in steps:
        labels = torch.cat([ids[:, held:], ids.new_full((len(ids), 1), 9)], 1)  # of the last, only its place matters
        expected = made.logits(*whole[:2], labels, whole[2])[:, -1].log_softmax(-1)
        torch.testing.assert_close(scores, expected, atol=2e-4, rtol=1e-3)
    without = made.logits(*whole[:2], labels)[:, -1].log_softmax(-1)
    exchanged = made.logits(*whole[:2], labels, whole[2].roll(beams, 0))[:, -1].log_softmax(-1)
    assert all((other - expected).abs().max() > 1e-2 for other in (without, exchanged))


def test_a_decoder_is_left_as_it_was_also_after_an_error():
    made = adapter("t5")
    vectors, mask = padded(made, prompts(3))
    with pytest.raises(TypeError):
        made.generate(*made.prompt(vectors, mask), torch.zeros(1, 2, 32), max_new_tokens="many")
    assert not made.model.get_decoder().get_input_embeddings()._forward_hooks


# --- What is refused ---


def changed(directory, **changes: object) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes), encoding="utf-8")


def test_an_encoder_is_no_student(tmp_path):
    directory = write_backbone(tmp_path)
    changed(directory, model_type="bert")
    with pytest.raises(UserError, match="model_type bert; supported: t5, "):
        load_backbone(directory)


@pytest.mark.parametrize(("shape", "kind"), [("tiny", "seq2seq"), ("tiny-opt", "causal"), ("tiny-qwen", "causal")])
def test_the_kind_is_read_from_the_models_own_file(shape, kind, tmp_path):
    assert kind_of(write_backbone(tmp_path, shape=shape)) == kind


FITTING = Lengths(labs=11, note=1600, target=435)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda directory: None, None),
        (lambda directory: changed(directory, max_position_embeddings=2047), "has 2047 positions, but 2048 are needed"),
        (lambda directory: changed(directory, vocab_size=100), "the tokenizer has .* tokens but the model only 100"),
        (lambda directory: (directory / "tokenizer.json").unlink(), "has no tokenizer"),
        (
            lambda directory: PreTrainedTokenizerFast(
                tokenizer_object=tokenizer("tiny-opt").backend_tokenizer
            ).save_pretrained(directory),
            "no end mark",
        ),
    ],
)
def test_what_is_fetched_is_refused_if_it_cannot_be_trained(damage, words, tmp_path):
    directory = write_backbone(tmp_path, shape="tiny-opt")
    damage(directory)
    if words is None:
        require_trainable(directory, "some/opt", FITTING)
    else:
        with pytest.raises(UserError, match=words):
            require_trainable(directory, "some/opt", FITTING)


def test_a_tokenizer_without_end_mark_is_refused_by_name():
    words = PreTrainedTokenizerFast(tokenizer_object=tokenizer("tiny-opt").backend_tokenizer, name_or_path="some/opt")
    with pytest.raises(UserError, match="some/opt: the tokenizer has no end mark; set eos_token"):
        marks_of(words)
