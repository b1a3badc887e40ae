"""Classifiers: padding decides nothing, losses are torch's, thresholds those with the most hits."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from toy_classifier import LSTM, classifier, patchtst, text_encoder
from toy_student import CHANNELS, OPTIMIZER, PHENOTYPES, STEPS
from transformers import TrainingArguments

from clinragen.config.classifiers import Lstm, Reader
from clinragen.errors import UserError
from clinragen.model.backbone import IGNORED
from clinragen.model.classifier import Classifier, LstmReader, build_classifier, probabilities
from clinragen.model.inputs import Collator
from clinragen.model.student import Shape
from clinragen.model.text_encoder import load_text_encoder
from clinragen.model.tokens import load_tokenizer
from clinragen.train.batches import Sizes, Steps
from clinragen.train.classifiers import THRESHOLDS, Classifying, best_threshold, count_hits, with_answers
from clinragen.train.student_trainer import StudentTrainer

READERS = {"lstm": LSTM, "last": patchtst(), "mean": patchtst(token="mean_of_stay"), "all": patchtst(token="all")}
OWN = torch.tensor([3, 8, 12, 16])
PLAIN_LSTM = LSTM.model_copy(update={"lstm": Lstm(width=8, layers=1, dropout=0.0)})


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return text_encoder(tmp_path_factory.mktemp("encoder") / "bert")


def series(seed: int = 0) -> torch.Tensor:
    return torch.randn(len(OWN), STEPS, CHANNELS, generator=torch.Generator().manual_seed(seed))


def padded_otherwise(grid: torch.Tensor, patch: int) -> torch.Tensor:
    """The series with noise behind the patch of each stay's last step."""
    other = grid.clone()
    for i, own in enumerate(OWN.tolist()):
        end = -(-own // patch) * patch
        other[i, end:] = 9 * torch.randn(STEPS - end, CHANNELS)
    return other


@pytest.mark.parametrize("name", READERS)
def test_padding_behind_the_steps_of_a_stay_changes_nothing(name):
    model, grid = classifier(READERS[name]), series()
    other = padded_otherwise(grid, 1 if name == "lstm" else 8)
    found = model(series=grid, steps=OWN)
    assert found.shape == (len(OWN), len(PHENOTYPES)) and not torch.equal(grid, other)
    assert torch.allclose(found, model(series=other, steps=OWN), atol=1e-6)
    # What is read, is read: the last own step of each stay.
    other = grid.clone()
    other[torch.arange(len(OWN)), OWN - 1] += 1.0
    assert ((found - model(series=other, steps=OWN)).abs().amax(1) > 1e-5).all()


@pytest.mark.parametrize("name", READERS)
def test_a_stay_has_the_same_logits_alone_and_among_longer_ones(name):
    model, grid = classifier(READERS[name]), series()
    together = model(series=grid, steps=OWN)
    alone = torch.cat([model(series=grid[i : i + 1], steps=OWN[i : i + 1]) for i in range(len(OWN))])
    assert torch.allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("name", READERS)
def test_which_variable_is_high_matters(name):
    """A mean over channels that share all weights would not know."""
    model, grid = classifier(READERS[name]), series()
    assert not torch.allclose(model(series=grid, steps=OWN), model(series=grid.roll(1, 2), steps=OWN), atol=1e-4)


def test_the_state_that_is_read_is_that_of_torchs_own_lstm_over_the_own_steps():
    reader, grid = LstmReader(Lstm(width=5, layers=1, dropout=0.0), Shape(CHANNELS, STEPS)).eval(), series()
    for i, own in enumerate(OWN.tolist()):
        _, (state, _) = reader.lstm(grid[i : i + 1, :own])
        assert torch.allclose(reader(grid, OWN)[i], state[-1, 0], atol=1e-6)


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_padding_of_a_note_changes_nothing(pooling, encoder):
    model = classifier(Reader(method="encoder", pooling=pooling), encoder)
    rows = [{"input_ids": np.arange(10, 10 + n)} for n in (4, 9)]
    batch, alone = Collator(None, None, 0)(rows), Collator(None, None, 0)(rows[:1])
    assert torch.allclose(model(**batch)[:1], model(**alone), atol=1e-6)
    other = batch["input_ids"].where(batch["attention_mask"] == 1, 77)
    assert torch.allclose(model(**batch | {"input_ids": other}), model(**batch), atol=1e-6)
    assert model.lab_tokens == 0 and model.shape is None


def test_the_loss_is_torchs_binary_cross_entropy_and_ignores_padding():
    logits = torch.tensor([[0.0, 2.0, -1.0], [3.0, -0.5, 0.25]])
    labels = torch.tensor([[1, 0, IGNORED], [0, 1, 1]])
    found = Classifying().losses(logits, labels)
    # log(1 + e^-x) for a phenotype of the stay, log(1 + e^x) for another one.
    expected = [[0.693147, 2.126928, 0.0], [3.048587, 0.974077, 0.575939]]
    assert torch.allclose(found, torch.tensor(expected), atol=1e-5)
    known = labels != IGNORED
    own = torch.nn.BCEWithLogitsLoss()(logits[known], labels[known].float())
    assert torch.allclose(found.sum() / known.sum(), own)


def samples(count: int = 8) -> list[dict]:
    random = np.random.default_rng(0)
    names = [["Shock"], [], ["Shock", PHENOTYPES[0]], [PHENOTYPES[3]]]
    return [
        with_answers(
            {
                "stay_id": i,
                "phenotypes": names[i % 4],
                "series": random.standard_normal((4 + i, CHANNELS)).astype(np.float32),
            },
            PHENOTYPES,
        )
        for i in range(count)
    ]


def gradient_of_a_step(directory, parts: int) -> torch.Tensor:
    """Gradient of the linear layer at the end of one step of the trainer, in at least `parts` micro-batches."""
    rows, model, task = (
        samples(),
        classifier(PLAIN_LSTM),
        Classifying(),
    )
    arguments = TrainingArguments(
        output_dir=str(directory), use_cpu=True, report_to="none", save_strategy="no", max_grad_norm=1e9,
        learning_rate=0.0, max_steps=1, remove_unused_columns=False, disable_tqdm=True,
    )  # fmt: skip
    sizes, collate = Sizes(rows, model.lab_tokens), task.collator(STEPS)
    most = sizes.padded(range(len(rows))) // parts
    steps = Steps(rows, sizes, collate, batch=8, seed=1, shuffled=True, most_tokens=most, process=0, processes=1)
    assert len(steps) == 1 and len(steps[0]) >= parts
    options = {"model": model, "args": arguments, "train_dataset": rows, "eval_dataset": rows}
    kept = []
    model.head.weight.register_post_accumulate_grad_hook(lambda p: kept.append(p.grad.clone()))
    StudentTrainer(OPTIMIZER, task, steps, data_collator=collate, **options).train()
    return kept[-1]


def test_the_trainer_follows_the_gradient_of_the_mean_over_all_samples_and_phenotypes(tmp_path):
    rows, model = samples(), classifier(PLAIN_LSTM)
    batch = Collator(None, STEPS)(rows)
    logits = model(series=batch["series"], steps=batch["steps"])
    torch.nn.functional.binary_cross_entropy_with_logits(logits, batch["labels"].float()).backward()
    for parts in (1, 4):
        found = gradient_of_a_step(tmp_path / str(parts), parts)
        assert torch.allclose(found, model.head.weight.grad, atol=1e-6) and found.abs().max() > 1e-4


def test_hits_are_counted_at_every_threshold():
    rows = [{"labels": np.array([1, 0, 1])}, {"labels": np.array([0, 1, 0])}]
    pairs = dict(zip(THRESHOLDS, count_hits(torch.tensor([[0.9, 0.4, 0.2], [0.6, 0.3, 0.1]]), rows), strict=True))
    assert pairs[0.05] == (3, 9)
    assert pairs[0.25] == (2, 7)
    assert pairs[0.5] == (1, 5)
    assert pairs[0.95] == (0, 3)
    assert count_hits(torch.empty(0, 3), []) == [(0, 0)] * len(THRESHOLDS)


def test_the_middle_of_the_best_thresholds_is_chosen():
    class Fixed(torch.nn.Module):
        shape, phenotypes = None, PHENOTYPES[:2]

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, input_ids, attention_mask):  # type: ignore[no-untyped-def]
            return torch.logit(input_ids[:, :2] / 100)

    rows = [
        {"input_ids": np.array([30, 20]), "labels": np.array([1, 0]), "sections": np.zeros(2)},
        {"input_ids": np.array([12, 40]), "labels": np.array([0, 1]), "sections": np.zeros(2)},
    ]
    assert best_threshold(Fixed(), rows, Classifying(), torch.device("cpu")) == pytest.approx(0.25, abs=0.011)


@pytest.mark.parametrize("name", [*READERS, "encoder"])
def test_a_saved_classifier_is_the_same(name, encoder, tmp_path):
    reads_note = name == "encoder"
    model = classifier(Reader(method="encoder", pooling="mean") if reads_note else READERS[name], encoder)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    model.threshold = 0.37
    model.save(tmp_path, load_tokenizer(encoder) if reads_note else None)
    again = Classifier.load(tmp_path).eval()
    rows = [{"input_ids": np.arange(10, 16)}] if reads_note else samples(3)
    collate = Collator(None, None if reads_note else STEPS)
    found, expected = (probabilities(m, rows, collate, 2) for m in (again, model))
    assert torch.equal(found, expected) and found.shape[1] == len(PHENOTYPES)
    assert (again.threshold, again.phenotypes) == (0.37, PHENOTYPES)


def test_a_torn_classifier_is_refused(tmp_path):
    classifier(LSTM).save(tmp_path)
    (tmp_path / "classifier.safetensors").write_bytes(b"torn")
    with pytest.raises(UserError, match=r"not a readable classifier: .*train it again"):
        Classifier.load(tmp_path)


def test_a_text_encoder_without_all_of_its_weights_is_refused(encoder, tmp_path):
    assert load_text_encoder(encoder).pooler is None
    torn = shutil.copytree(encoder, tmp_path / "torn")
    weights = load_file(torn / "model.safetensors")
    (gone,) = [name for name in weights if name.endswith("layer.1.output.dense.weight")]
    save_file({k: v for k, v in weights.items() if k != gone}, torn / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"weight .*layer.1.output.dense.weight is missing, one of 1; fetch"):
        load_text_encoder(torn)


def test_the_size_of_the_lstm_of_mimic3_benchmarks():
    """256 wide, one layer, over 11 channels: 4 gates x 256 x (11 + 256 + 2 biases), and 25 phenotypes."""
    with torch.device("meta"):
        reader = Reader(method="lstm", lstm=Lstm(width=256, layers=1, dropout=0.3), steps=1000)
        found = build_classifier(reader, Shape(11, 1000), None, PHENOTYPES).parameter_counts()
    assert found == {"reader": 4 * 256 * (11 + 256 + 2), "head": 256 * 25 + 25}
