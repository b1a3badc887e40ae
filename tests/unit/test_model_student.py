"""The student: what it reads, how it is kept, that batches do not change what it writes."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from toy_student import CHANNELS, READS, STEPS, TEXTS, VOCABULARY, batch, fusion, student, tokenizer

from clinragen.demo.tiny_student import build_model
from clinragen.errors import UserError
from clinragen.model.backbone import adapter_of
from clinragen.model.inputs import IGNORED
from clinragen.model.student import Student
from clinragen.registry.features import CATEGORIES
from clinragen.train.loss import token_losses

INPUTS = ("input_ids", "attention_mask", "series", "steps")
SHAPES = pytest.mark.parametrize("shape", ["tiny", "tiny-opt", "tiny-qwen"])


def logits(model: Student, rows: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        return model(**rows)


def loss(model, rows):
    losses = token_losses(model(**rows), rows["labels"])
    return losses.sum() / (rows["labels"] != IGNORED).sum()


def padded(rows: dict[str, Tensor], more: int) -> dict[str, Tensor]:
    """The same samples, padded for a batch with a note that is longer by `more` tokens."""
    blank = torch.zeros(len(rows["input_ids"]), more, dtype=torch.long)
    notes = {k: torch.cat([rows[k], blank], 1) for k in ("input_ids", "attention_mask")}
    return rows | notes | {"labels": torch.cat([rows["labels"], blank + IGNORED], 1)}


def test_lab_tokens_stand_before_or_after_the_note():
    rows = {k: batch()[k] for k in INPUTS}
    before, after = (student(lab_position=p)._embed(**rows)[0] for p in ("prefix", "suffix"))
    notes, _ = student("notes")._embed(**rows)
    labs, _ = student("labs")._embed(**rows)
    assert notes.shape[1] == 7 and labs.shape[1] == CHANNELS
    assert torch.equal(before, torch.cat([labs, notes], 1))
    assert torch.equal(after, torch.cat([notes, labs], 1))


@pytest.mark.parametrize("position", ["prefix", "suffix"])
def test_padding_is_at_the_end_and_hidden(position):
    rows = padded(batch(), 4)
    _, mask = student(lab_position=position)._embed(**{k: rows[k] for k in INPUTS})
    assert mask[0].tolist() == [1] * (7 + CHANNELS) + [0] * 4


@SHAPES
@pytest.mark.parametrize(("reads", "unread"), [("notes", "series"), ("labs", "input_ids")])
def test_what_a_student_does_not_read_changes_nothing(reads, unread, shape):
    model, rows, other = student(reads, shape=shape), batch(seed=0), batch(seed=1)
    assert torch.equal(logits(model, rows), logits(model, rows | {unread: other[unread]}))
    needed = {k: v for k, v in rows.items() if k != unread}
    assert torch.equal(logits(model, rows), logits(model, needed))


@SHAPES
@pytest.mark.parametrize("change", ["input_ids", "series"])
def test_both_modalities_are_read(change, shape):
    model, rows = student("both", shape=shape), batch()
    assert not torch.allclose(logits(model, rows), logits(model, rows | {change: batch(seed=1)[change]}))


@pytest.mark.parametrize("identity", [True, False])
def test_all_patches_of_a_stay_become_tokens_and_padding_is_hidden(identity):
    model = student("both", series_encoder__token="all", variable_identity=identity)
    patches = model.encoder.patches
    rows = {k: batch()[k] for k in INPUTS} | {"steps": torch.tensor([STEPS, 1])}
    found, mask = model._embed(**rows)
    assert found.shape[1] == 7 + CHANNELS * patches
    assert mask.sum(1).tolist() == [7 + CHANNELS * patches, 7 + CHANNELS]
    if identity:  # those of a channel follow each other and share its vector
        other, _ = student("both", series_encoder__token="all", variable_identity=False)._embed(**rows)
        added = (found - other)[0, : CHANNELS * patches].unflatten(0, (CHANNELS, patches))
        assert torch.allclose(added, model.identity.weight[:, None].expand_as(added), atol=1e-5)


@pytest.mark.parametrize("identity", [True, False])
def test_only_an_identity_tells_which_variable_a_series_is_of(identity):
    model, rows = student("labs", variable_identity=identity), batch()
    swapped = rows | {"series": rows["series"].flip(2)}
    # T5 has no absolute positions, but relative ones; lab tokens are therefore compared as a set.
    one, other = (model._embed(series=r["series"], steps=r["steps"])[0] for r in (rows, swapped))
    assert torch.allclose(one, other.flip(1), atol=1e-6) is not identity


@SHAPES
@pytest.mark.parametrize("reads", ["notes", "labs", "both"])
def test_a_saved_student_is_the_same_student(reads, shape, tmp_path):
    model, rows = student(reads, shape=shape), batch()
    model.save(tmp_path, tokenizer(shape))
    loaded = Student.load(tmp_path).eval()
    assert torch.equal(logits(model, rows), logits(loaded, rows))
    options = {"max_new_tokens": 8, "do_sample": False}
    assert torch.equal(model.generate(rows, **options), loaded.generate(rows, **options))
    assert (loaded.texts, loaded.fusion) == (model.texts, model.fusion) and loaded.reads == READS[reads]
    assert loaded.parameter_counts() == model.parameter_counts()


def test_a_student_of_notes_alone_needs_no_series_parts(tmp_path):
    model = student("notes")
    model.encoder = model.attention = model.identity = model.shape = None
    model.save(tmp_path, tokenizer())
    assert not (tmp_path / "parts.safetensors").exists()
    loaded = Student.load(tmp_path, ("series",))
    assert loaded.encoder is None and loaded.reads == ("series",)
    assert torch.equal(logits(model, batch()), logits(Student.load(tmp_path).eval(), batch()))


@pytest.mark.parametrize("scaled", [False, True])
def test_the_output_layer_and_the_scale_of_outputs_are_kept(scaled, tmp_path):
    model = student("notes")
    model.backbone.config.scale_decoder_outputs = scaled
    model.save(tmp_path, tokenizer())
    loaded = Student.load(tmp_path).eval()
    assert torch.equal(loaded.backbone.lm_head.weight, model.backbone.lm_head.weight)
    assert not torch.equal(loaded.backbone.lm_head.weight, loaded.backbone.shared.weight)
    assert loaded.backbone.config.scale_decoder_outputs is scaled
    assert torch.equal(logits(model, batch()), logits(loaded, batch()))


@pytest.mark.parametrize("damage", [lambda f: f.unlink(), lambda f: f.write_text("{")])
def test_a_directory_without_student_is_named(damage, tmp_path):
    student("notes").save(tmp_path, tokenizer())
    damage(tmp_path / "student.json")
    with pytest.raises(UserError, match="not a readable student checkpoint"):
        Student.load(tmp_path)


@pytest.mark.parametrize(
    "file", ["backbone/model.safetensors", "parts.safetensors", "student.json", "backbone/config.json"]
)
def test_a_torn_file_of_a_checkpoint_is_an_error_that_names_it(file, tmp_path):
    student().save(tmp_path, tokenizer())
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="not a readable"):
        Student.load(tmp_path)


def test_series_parts_of_another_student_are_refused(tmp_path):
    student().save(tmp_path / "1", tokenizer())
    student(series_encoder__width=32).save(tmp_path / "2", tokenizer())
    (tmp_path / "2/parts.safetensors").replace(tmp_path / "1/parts.safetensors")
    with pytest.raises(UserError, match="not a readable student checkpoint"):
        Student.load(tmp_path / "1")


def test_the_vocabulary_stays_as_it_was_when_the_embeddings_learn_on(tmp_path):
    model = student()
    model.save(tmp_path, tokenizer())
    with torch.no_grad():
        model.backbone.shared.weight.add_(1)
    model.save(tmp_path, tokenizer())
    kept = load_file(tmp_path / "parts.safetensors")["attention.vocabulary"]
    assert torch.equal(kept, student().backbone.shared.weight[VOCABULARY])


def test_frozen_parts_keep_weights_and_evaluation_mode():
    model = student(series_encoder__dropout=0.5)
    model.freeze("backbone", "encoder")
    model.train()
    assert not any(m.training for part in (model.backbone, model.encoder) for m in part.modules())
    assert model.attention.training
    before = {k: v.clone() for k, v in model.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1)
    loss(model, batch()).backward()
    optimizer.step()
    after = model.state_dict()
    moved = {k.split(".")[0] for k in before if not torch.equal(before[k], after[k])}
    assert moved == {"attention", "identity"}


@SHAPES
def test_gradients_reach_the_encoder_through_the_frozen_language_model(shape):
    model = student("labs", shape=shape)
    model.freeze("backbone")
    loss(model, batch()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.attention.parameters())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.encoder.parameters())
    assert all(p.grad is None for p in model.backbone.parameters())


@SHAPES
@pytest.mark.parametrize("reads", ["notes", "both"])
@pytest.mark.parametrize("position", ["prefix", "suffix"])
def test_padding_changes_no_output(reads, position, shape):
    """T5 counts distances between positions, the others positions: padding must not stand between tokens."""
    model, rows = student(reads, shape=shape, lab_position=position), batch(count=1)
    wide = padded(rows, 5)
    target = rows["labels"].shape[1]
    torch.testing.assert_close(logits(model, wide)[:, :target], logits(model, rows), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(loss(model, wide), loss(model, rows))
    options = {"max_new_tokens": 12, "do_sample": False}
    assert torch.equal(model.generate(wide, **options), model.generate(rows, **options))


@SHAPES
@pytest.mark.parametrize("reads", ["notes", "labs", "both"])
def test_greedy_writing_is_the_best_next_token_each_time(reads, shape):
    model, rows = student(reads, shape=shape), batch(count=1)
    written = model.generate(rows, max_new_tokens=6, do_sample=False)
    assert logits(model, rows | {"labels": written}).argmax(-1).tolist() == written.tolist()


@SHAPES
def test_a_beam_of_one_is_greedy(shape):
    model, rows = student(shape=shape), batch(count=3)
    options = {"max_new_tokens": 6, "do_sample": False}
    assert torch.equal(model.generate(rows, num_beams=1, **options), model.generate(rows, **options))


@SHAPES
def test_its_weights_can_be_written_as_safetensors_and_read_back(shape, tmp_path):
    model, other = student(seed=0, shape=shape), student(seed=1, shape=shape)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    other.load_state_dict(load_file(tmp_path / "w.safetensors"))
    assert torch.equal(logits(model, batch()), logits(other, batch()))


def test_the_saved_facts_are_plain_json(tmp_path):
    student().save(tmp_path, tokenizer())
    facts = json.loads((tmp_path / "student.json").read_text(encoding="utf-8"))
    assert facts["shape"] == {"channels": 3, "steps": 16}
    assert str(tmp_path) not in "".join(p.read_text() for p in tmp_path.rglob("*.json"))


# --- Parts of the other rows of Table 1 ---


def composed(
    reads: tuple[str, ...], linear: bool = False, soft: int = 0, kind: str = "texts", shape: str = "tiny"
) -> Student:
    made = Student(adapter_of(build_model(len(tokenizer(shape)), 0, shape), tokenizer(shape)), TEXTS, reads)
    if "series" in reads:
        made.add_series_parts(fusion(), CHANNELS, STEPS, None if linear else VOCABULARY)
    if soft:
        made.add_soft_prompts(kind, soft)
    return made.eval()


def with_captions(rows: dict[str, Tensor], length: int = 5) -> dict[str, Tensor]:
    ids = torch.randint(10, 60, (len(rows["labels"]), length), generator=torch.Generator().manual_seed(3))
    return rows | {"caption_ids": ids, "caption_mask": torch.ones_like(ids)}


def test_a_linear_projection_takes_the_place_of_the_attention(tmp_path):
    model, rows = composed(("note", "series"), linear=True), batch()
    assert model.attention is None and "projection" in model.parameter_counts()
    labs, _ = model._labs(rows)
    vectors, _ = model.encoder(rows["series"], rows["steps"])
    assert torch.allclose(labs, model.projection(vectors) + model.identity.weight, atol=1e-6)
    model.save(tmp_path, tokenizer())
    loaded = Student.load(tmp_path).eval()
    assert loaded.attention is None and torch.equal(logits(model, rows), logits(loaded, rows))


def test_the_prompt_is_soft_prompt_note_soft_prompt_captions_in_this_order():
    model, rows = composed(("note", "captions"), soft=4), with_captions(batch(length=7))
    prompt, mask = model._embed(**rows)
    words = model.backbone.shared.weight
    assert prompt.shape[1] == 4 + 7 + 4 + 5 and mask.all()
    assert torch.equal(prompt[0, :4], words[:4]) and torch.equal(prompt[0, 11:15], words[:4])
    assert torch.equal(prompt[0, 4:11], words[rows["input_ids"][0]])
    assert torch.equal(prompt[0, 15:], words[rows["caption_ids"][0]])


def test_soft_prompts_learn_each_for_itself_and_are_saved(tmp_path):
    model, rows = composed(("note", "captions"), soft=4), with_captions(batch())
    loss(model, rows).backward()
    grads = [model.soft_prompts.vectors[name].grad for name in ("note", "captions")]
    assert all(grad.abs().max() > 0 for grad in grads) and not torch.equal(*grads)
    with torch.no_grad():
        model.soft_prompts.vectors["captions"].add_(1.0)
    model.save(tmp_path, tokenizer())
    loaded = Student.load(tmp_path).eval()
    assert loaded.parameter_counts() == model.parameter_counts()
    assert torch.equal(logits(model, rows), logits(loaded, rows))
    options = {"max_new_tokens": 8, "do_sample": False}
    assert torch.equal(model.generate(rows, **options), loaded.generate(rows, **options))


def test_padding_of_notes_and_captions_changes_no_output():
    model = composed(("note", "captions"), soft=3)
    rows = with_captions(batch(count=1))
    padded = dict(rows)
    for ids, mask in (("input_ids", "attention_mask"), ("caption_ids", "caption_mask")):
        padded[ids] = torch.nn.functional.pad(rows[ids], (0, 6))
        padded[mask] = torch.nn.functional.pad(rows[mask], (0, 6))
    assert torch.allclose(logits(model, rows), logits(model, padded), atol=1e-4)


# --- PromptEHR: prompts before encoder and decoder ---

KINDS = pytest.mark.parametrize("kind", ["reparametrised", "conditional"])


def prompted(kind: str, shape: str = "tiny") -> Student:
    reads = ("note", "features") if kind == "conditional" else ("note",)
    return composed(reads, soft=5, kind=kind, shape=shape)


def with_features(rows: dict[str, Tensor]) -> dict[str, Tensor]:
    count = len(rows["labels"])
    categories = torch.stack([torch.arange(count) % 2, torch.arange(count) % 12], 1)
    return rows | {"numbers": torch.linspace(0.2, 0.9, count)[:, None], "categories": categories}


@KINDS
def test_a_pair_of_prompts_stands_before_the_note_and_before_the_target(kind):
    model, rows = prompted(kind), with_features(batch())
    prompt, mask = model._embed(**{k: v for k, v in rows.items() if k != "labels"})
    before = model._before_target(rows)
    length = {"reparametrised": 5, "conditional": 3}[kind]
    assert prompt.shape[1] == length + 7 and mask.all() and before.shape == (2, length, 64)
    assert torch.equal(prompt[0, length:], model.backbone.shared.weight[rows["input_ids"][0]])
    assert not torch.allclose(prompt[:, :length], before)
    assert torch.equal(before[0], before[1]) is (kind == "reparametrised")
    assert not torch.allclose(before[0, 0], before[0, 1])


@pytest.mark.parametrize("feature", [0, 1, 2])
def test_each_feature_has_a_vector_of_its_own_in_both_prompts(feature):
    model, rows = prompted("conditional"), with_features(batch(count=1))
    other = {k: v.clone() for k, v in rows.items()}
    if feature == 0:
        other["numbers"] += 0.1
    else:
        other["categories"][0, feature - 1] += 1
    for vectors in (lambda r: model._embed(**{k: v for k, v in r.items() if k != "labels"})[0], model._before_target):
        moved = (vectors(rows) != vectors(other)).any(-1)[0].nonzero().flatten().tolist()
        assert moved == [feature]
    assert not torch.equal(logits(model, rows), logits(model, other))


@torch.no_grad()
def test_no_two_categories_share_a_vector():
    """Nor do those of different features, whose places begin at 0 in each."""
    prompt = prompted("conditional").prompt_pair.encoder.categorical
    sizes = [len(categories) for categories in CATEGORIES.values()]
    places = torch.arange(max(sizes))[:, None].clamp(max=torch.tensor(sizes) - 1)
    vectors = prompt(places)
    own = torch.cat([vectors[:size, feature] for feature, size in enumerate(sizes)])
    assert len(own) == len(prompt.categories.weight) == len({tuple(v) for v in own.tolist()}) == 15


@SHAPES
@KINDS
def test_both_prompts_learn_and_are_saved(kind, shape, tmp_path):
    model, rows = prompted(kind, shape), with_features(batch())
    loss(model, rows).backward()
    grads = {name: p.grad for name, p in model.prompt_pair.named_parameters()}
    assert all(grad is not None and grad.abs().max() > 0 for grad in grads.values()) and len(grads) >= 6
    model.save(tmp_path, tokenizer(shape))
    loaded = Student.load(tmp_path).eval()
    assert loaded.parameter_counts() == model.parameter_counts() and loaded.reads == model.reads
    assert torch.equal(logits(model, rows), logits(loaded, rows))
    options = {"max_new_tokens": 8, "do_sample": False, "num_beams": 2}
    assert torch.equal(model.generate(rows, **options), loaded.generate(rows, **options))


@SHAPES
@KINDS
@pytest.mark.parametrize("beams", [1, 2])
def test_a_batch_writes_with_its_prompts_what_its_samples_write_alone(kind, shape, beams):
    model, rows = prompted(kind, shape), padded(with_features(batch(count=3)), 3)
    with torch.no_grad():  # larger than at the start, so that what they hold decides what is written
        for parameter in model.prompt_pair.parameters():
            parameter.mul_(5)
    rows["attention_mask"][1, 4:] = 0
    options = {"max_new_tokens": 8, "do_sample": False, "num_beams": beams}
    together = model.generate(rows, **options)
    for i, written in enumerate(together):
        (alone,) = model.generate({k: v[i : i + 1] for k, v in rows.items()}, **options)
        assert written[: len(alone)].tolist() == alone.tolist()
        if beams == 1:
            given = {k: v[i : i + 1] for k, v in rows.items()} | {"labels": alone[None]}
            assert logits(model, given).argmax(-1)[0].tolist() == alone.tolist()
    if kind == "conditional":
        exchanged = rows | {name: rows[name].roll(1, 0) for name in ("numbers", "categories")}
        assert model.generate(exchanged, **options).tolist() != together.tolist()
