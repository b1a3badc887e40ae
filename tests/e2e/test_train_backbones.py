"""Language models that continue a prompt, through the three phases, their scripts and the prediction."""

import json
from pathlib import Path

import pytest
import torch
from runs import SMALL, overlay, path_with, records, snakemake, succeeded
from safetensors.torch import load_file
from toy_student import (
    PHENOTYPES,
    STEPS,
    changed,
    command,
    files,
    losses,
    run,
    tokenizer,
    weights,
    write_backbone,
    write_tables,
)

from clinragen.config.evaluate import Decoding
from clinragen.evaluate.predict import predict
from clinragen.evaluate.scores import score
from clinragen.evaluate.shuffle import exchange
from clinragen.model.inputs import Collator, read_samples
from clinragen.model.student import Student
from clinragen.model.tokens import load_tokenizer
from clinragen.schemas.evaluate import PARAMETERS
from clinragen.schemas.knowledge import TERMS
from clinragen.schemas.predictions import PREDICTIONS
from clinragen.train.loss import token_losses

MODELS = {"tiny-opt": "clinragen-opt", "tiny-qwen": "clinragen-qwen"}
SHAPES = list(MODELS)
EPOCHS = {1: 6, 2: 20, 3: 2}
DECODING = Decoding(device="cpu", beams=1, max_new_tokens=48, write="all", precision="fp32")


@pytest.fixture(scope="module", params=SHAPES)
def chain(request, tmp_path_factory, fork_python) -> Path:
    """A directory named like the shape, with tables, language model and the models of the three phases."""
    directory = tmp_path_factory.mktemp("chain") / request.param
    tables = write_tables(directory / "tables", train=96, validation=8, test=8, shape=request.param)
    write_backbone(directory / "given" / "backbone", shape=request.param)
    starts = {
        1: ["--backbone", directory / "given" / "backbone"],
        2: ["--phase1", directory / "phase1", "--vocabulary", tables / "vocabulary.json"],
        3: ["--phase2", directory / "phase2", "--freeze-encoder", False],
    }
    for phase, start in starts.items():
        # Labs are hard to learn for a random model that is frozen.
        changes = {"epochs": EPOCHS[phase], "patience": EPOCHS[phase], "learning_rate": 1e-2 if phase == 2 else 5e-3}
        line = command(f"train_phase{phase}", tables, directory / f"phase{phase}", *start, **changes, selection="loss")
        run(line, (str(fork_python),))
    return directory


@pytest.fixture(scope="module")
def tree(tmp_path_factory, fork_python) -> Path:
    """Results of the rules, both stand-ins from raw files to predictions."""
    directory = tmp_path_factory.mktemp("rules")
    results = directory / "results"
    own = overlay(directory / "small.yaml", results, **SMALL)
    overlays = ("config/demo.yaml", "config/planted.yaml", "config/planted-backbones.yaml", own)
    targets = [results / f"mimic3/evaluate/{model}/seed1/predictions.parquet" for model in MODELS.values()]
    targets.append(results / "tables/parameters.csv")
    command = ("--cores", "2", "--quiet", "rules", "--nolock", "--configfile", *overlays, "--", *targets)
    succeeded(snakemake(*command, PATH=path_with(fork_python.parent)))
    return results


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_the_rules_lead_from_raw_files_to_predictions_of_both(tree, shape):
    path = f"{tree}/mimic3/evaluate/{MODELS[shape]}/seed1/predictions.parquet"
    assert len(PREDICTIONS.read(Path(path))) > 5
    assert records(tree)[path]["stand_ins"].count("tiny language model") == 1


def test_the_sizes_of_both_are_an_output(tree):
    rows = [r for r in PARAMETERS.read(tree / "tables/parameters.csv").to_pylist() if r["part"] == "total"]
    assert [row["name"] for row in rows] == list(MODELS.values())
    assert all(200_000 < row["parameters"] < 1_000_000 and row["paper"] is None for row in rows)


@pytest.mark.parametrize("backbone", ["opt-125m", "qwen2.5-0.5b"])
def test_the_vocabulary_of_byte_level_tokens_holds_terms_as_inside_of_texts(tree, backbone):
    """A word after a blank has other tokens than one that begins a text; special tokens do not belong to V^k."""
    facts = json.loads((tree / f"knowledge/vocab/{backbone}.json").read_text(encoding="utf-8"))
    words, ids = load_tokenizer(tree / "backbones" / backbone), set(facts["ids"])
    forms = {form for term in TERMS.read(tree / "knowledge/terms.parquet").to_pylist() for form in term["forms"]}
    assert len(forms) > 50 and not ids & set(words.all_special_ids)
    for form in forms:
        text = words(f"has {form} now", return_offsets_mapping=True, add_special_tokens=False)
        inside = zip(text["input_ids"], text["offset_mapping"], strict=True)
        assert {i for i, (begin, end) in inside if end > 4 and begin < 4 + len(form)} <= ids, form
    assert any(token["token"].startswith("Ġ") for token in facts["tokens"])


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_the_loss_falls_in_training_and_validation(chain, phase):
    for key in ("loss", "eval_loss"):
        found = losses(chain / f"phase{phase}", key)
        assert len(found) == EPOCHS[phase] and found[-1] < 0.9 * found[0]


def test_each_phase_trains_its_own_parts(chain):
    start = load_file(chain / "given/backbone/model.safetensors")
    found = [weights(chain / f"phase{phase}") for phase in (1, 2, 3)]
    assert changed({f"backbone.{name}": value for name, value in start.items()}, found[0])
    assert changed(found[0], found[1]) == set()  # no bit of the language model, tied embeddings included
    assert {name.split(".")[0] for name in changed(found[1], found[2])} >= {"backbone", "encoder", "attention"}


def test_the_output_layer_stays_tied_through_training(chain):
    assert not [name for name in weights(chain / "phase3") if "lm_head" in name]
    model = Student.load(chain / "phase3").backbone
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight


def test_the_vocabulary_holds_the_embeddings_of_phase_1(chain):
    ids = json.loads((chain / "tables/vocabulary.json").read_text())["ids"]
    embeddings = Student.load(chain / "phase1").backbone.get_input_embeddings().weight
    assert torch.equal(weights(chain / "phase3")["attention.vocabulary"], embeddings[ids])


def test_the_model_of_phase_2_reads_the_labs(chain):
    """It explains the diagnoses of a stay better by its own series than by those of a patient of the other kind."""
    student, words = Student.load(chain / "phase2").eval(), tokenizer(chain.name)
    samples = read_samples(files(chain / "tables", "lab_target"), "validation")
    batch = Collator(words, STEPS)(samples)
    sections = batch.pop("sections")
    kinds = torch.tensor([sample["phenotypes"] == samples[0]["phenotypes"] for sample in samples])
    other = torch.where(kinds, kinds.logical_not().nonzero()[0], kinds.nonzero()[0])
    assert student.reads == ("series",)

    def loss(order) -> float:
        with torch.no_grad():
            logits = student(series=batch["series"][order], steps=batch["steps"][order], labels=batch["labels"])
        return float(token_losses(logits, batch["labels"])[sections == 0].mean())

    assert loss(torch.arange(len(samples))) < 0.9 * loss(other)


def test_predictions_are_right_and_follow_the_series_or_the_note_of_another_stay(chain):
    tested = read_samples(files(chain / "tables", None), "test")

    def f1(samples):
        found = score(predict(chain / "phase3", samples, PHENOTYPES, DECODING, 3), PHENOTYPES, "d", "m", 1).to_pylist()
        return next(r["value"] for r in found if (r["average"], r["metric"]) == ("micro", "f1"))

    assert f1(tested) == 1.0
    other = [exchange(tested, part, 1) for part in ("labs", "note")]
    assert min(map(f1, other)) < 1.0


def test_a_batch_of_any_size_writes_the_same(chain):
    tested = read_samples(files(chain / "tables", None), "test")
    one, all_ = (predict(chain / "phase3", tested, PHENOTYPES, DECODING, size) for size in (1, 8))
    assert one["output"].to_pylist() == all_["output"].to_pylist()
