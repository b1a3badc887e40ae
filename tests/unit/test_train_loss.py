"""The loss of a step is a weighted mean over its target tokens, however the step is divided."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import toy_student
from hypothesis import given
from hypothesis import strategies as st
from toy_student import OPTIMIZER, files, student, tokenizer, write_tables
from transformers import TrainingArguments

from clinragen.model.decoding import Output
from clinragen.model.inputs import IGNORED, Collator, read_samples
from clinragen.model.target_codec import sections_of_tokens, write_target
from clinragen.train.batches import Sizes, Steps
from clinragen.train.callbacks import merit, out_of_patience
from clinragen.train.loss import SectionMeans, token_losses, token_weights
from clinragen.train.student_trainer import StudentTrainer
from clinragen.train.task import Writing, count_hits, longest_diagnoses


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    tables = write_tables(tmp_path_factory.mktemp("loss") / "tables", train=8)
    notes_only = replace(files(tables), series=[])
    return read_samples(notes_only, "train")


def trainer(rows, directory, parts: int = 1, weight: float = 1.0) -> StudentTrainer:
    """A trainer of one step over all rows, in at least `parts` micro-batches."""
    arguments = TrainingArguments(
        output_dir=str(directory),
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        max_grad_norm=1e9,
        learning_rate=0.0,
        max_steps=1,
        remove_unused_columns=False,
        disable_tqdm=True,
    )
    settings = OPTIMIZER.model_copy(update={"diagnoses_weight": weight})
    sizes, collate = Sizes(rows, 0), Collator(tokenizer(), None)
    most = sizes.padded(range(len(rows))) // parts
    steps = Steps(rows, sizes, collate, batch=8, seed=1, shuffled=True, most_tokens=most, process=0, processes=1)
    assert len(steps) == 1 and len(steps[0]) >= parts
    options = {"model": student("notes"), "args": arguments, "train_dataset": rows, "eval_dataset": rows}
    return StudentTrainer(settings, Writing(tokenizer()), steps, data_collator=collate, **options)


def gradient_of_a_step(rows, directory, parts: int, weight: float = 1.0) -> torch.Tensor:
    """Gradient of the language model's output layer at the end of one step."""
    made, kept = trainer(rows, directory, parts, weight), []
    name = "backbone.lm_head.weight"
    parameter = dict(made.model.named_parameters())[name]
    parameter.register_post_accumulate_grad_hook(lambda p: kept.append(p.grad.clone()))
    made.train()
    return kept[-1]


@pytest.mark.parametrize("parts", [2, 4])
def test_a_step_in_parts_has_the_gradient_of_the_whole(rows, tmp_path, parts):
    """The parts have targets of other lengths, so that a mean of their means would be another."""
    assert len({len(row["labels"]) for row in rows}) > 1
    whole, divided = (gradient_of_a_step(rows, tmp_path / str(n), n, 3.0) for n in (1, parts))
    assert torch.allclose(whole, divided, atol=1e-6) and whole.abs().max() > 1e-3


def test_the_gradient_is_that_of_the_weighted_mean_over_target_tokens(rows, tmp_path):
    model = student("notes").train()
    batch = Collator(tokenizer(), None)(rows)
    sections = batch.pop("sections")
    logits = model(**batch)
    total = weight = 0.0
    for i, target in enumerate(batch["labels"].tolist()):
        for j, token in enumerate(target):
            if token != IGNORED:
                factor = 5.0 if sections[i, j] == 0 else 1.0
                total = total - factor * torch.log_softmax(logits[i, j], 0)[token]
                weight += factor
    (total / weight).backward()
    expected = dict(model.named_parameters())["backbone.lm_head.weight"].grad
    found = gradient_of_a_step(rows, tmp_path, 1, 5.0)
    assert torch.allclose(found, expected, atol=1e-6)


def test_means_over_sections_add_up_to_the_mean_over_all():
    labels = torch.tensor([[5, 6, 7, IGNORED], [8, 9, IGNORED, IGNORED]])
    sections = torch.tensor([[0, 0, 2, 0], [0, 1, 0, 0]])
    logits = torch.randn(2, 4, 20, generator=torch.Generator().manual_seed(0))
    losses = token_losses(logits, labels)
    means = SectionMeans(3.0)
    for i in range(2):
        means.add(losses[i : i + 1], labels[i : i + 1], sections[i : i + 1])
    found = means.take("eval_")
    weights = token_weights(labels, sections, 3.0)
    assert found["eval_loss"] == pytest.approx(float((losses * weights).sum() / weights.sum()), rel=1e-6)
    assert found["eval_loss_diagnoses"] == pytest.approx(float(losses[0, :2].sum() + losses[1, 0]) / 3, rel=1e-6)
    assert found["eval_loss_lab_rationale"] == pytest.approx(float(losses[0, 2]), rel=1e-6)
    assert means.take() == {}
    means.add(losses[:1], labels[:1], sections[:1])
    assert "loss_note_rationale" not in means.take()


def test_no_weight_decay_on_norms_biases_positions_and_identities(rows, tmp_path):
    made = trainer(rows, tmp_path, 1)
    decayed = set(made.get_decay_parameter_names(made.model))
    left = {name for name, _ in made.model.named_parameters()} - decayed
    assert {n for n in decayed if "norm" in n or "bias" in n or "position" in n or "identity" in n} == set()
    assert any("batchnorm" in n for n in left) and any("position_enc" in n for n in left) and "identity.weight" in left
    assert {"backbone.lm_head.weight", "attention.query.weight"} <= decayed


names = st.lists(st.sampled_from(toy_student.PHENOTYPES), unique=True, max_size=3)


@given(names, st.text("abc .", max_size=20) | st.none(), st.text("abc .", max_size=20) | st.none(), st.booleans())
def test_every_token_of_a_target_is_in_the_section_it_was_written_in(phenotypes, note, lab, rationale_first):
    target = write_target(phenotypes, note, lab, rationale_first)
    encoded = tokenizer()([target], return_offsets_mapping=True)
    sections = sections_of_tokens(target, encoded["offset_mapping"][0])
    markers = {0: "Diagnoses:", 1: "Note rationale:", 2: "Lab rationale:"}
    starts = {section: f" {target}".find(f" {marker}") - 1 for section, marker in markers.items()}
    assert [start >= -1 for start in starts.values()] == [True, note is not None, lab is not None]
    for (begin, end), section in zip(encoded["offset_mapping"][0], sections, strict=True):
        last = max(start for start in starts.values() if -1 <= start < end)
        assert starts[section] == last or begin == end
    order = [1, 2, 0] if rationale_first else [0, 1, 2]
    assert sections == sorted(sections, key=order.index)


def test_hits_are_counted_in_the_diagnoses_alone(rows):
    texts = ["Diagnoses: Shock, Pneumonia. Note rationale: Essential hypertension", "Diagnoses: no"]
    written = [Output(text, "end_mark", 9) for text in texts]
    true = [{"phenotypes": ["Shock"]}, {"phenotypes": ["Essential hypertension"]}]
    assert count_hits(true, written, ["Shock", "Essential hypertension"]) == (1, 3)
    # A name that the limit cuts may end within a word, as in predictions.
    cut, whole = (Output("Diagnoses: Essential hyp", end, 9) for end in ("limit", "end_mark"))
    hits = [count_hits(true[1:], [output], ["Essential hypertension"]) for output in (cut, whole)]
    assert hits == [(1, 2), (0, 1)]
    longest = max(len(tokenizer()(write_target(r["phenotypes"]))["input_ids"]) - 1 for r in rows)
    assert abs(longest_diagnoses(rows) - longest) <= 1
    last = [{"sections": np.array(sections)} for sections in ([1, 1, 1, 0, 0], [2, 0, 0])]
    assert longest_diagnoses(last) == 5  # all of it where the rationale comes first


def history(*rows: tuple[float, float]) -> list[dict]:
    return [{"eval_loss": loss, "eval_f1": f1} for loss, f1 in rows] + [{"loss": 1.0}]


@pytest.mark.parametrize(
    ("rows", "ends"),
    [
        ([], False),
        ([(3, 0)], False),
        ([(3, 0), (2, 0), (1, 0)], False),
        ([(1, 0), (2, 0), (3, 0)], True),
        ([(1, 0), (2, 0.1), (3, 0)], False),
        ([(1, 0.2), (2, 0.2), (1, 0.1)], True),
        ([(1, 0.2), (2, 0.2)], False),
    ],
)
def test_patience_ends_where_neither_loss_nor_f1_gets_better(rows, ends):
    assert out_of_patience(history(*rows), 2) == ends


def test_a_lower_loss_breaks_ties_of_f1():
    rows = [{"eval_f1": f1, "eval_loss": loss} for f1, loss in ((0, 3.0), (0, 2.0), (0.5, 4.0), (0.5, 3.5), (0.5, 3.5))]
    assert [rows.index(max(rows, key=lambda row: merit(row, kind))) for kind in ("f1", "loss")] == [3, 1]
