"""Classifiers through their script and the one trainer: they learn, resume, are read back, and find planted labs."""

import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import toy_student
from fork_python import Forked
from runs import ROOT, checkpoints
from safetensors.torch import load_file
from toy_classifier import LSTM, command, patchtst, text_encoder
from toy_student import PHENOTYPES, changed, losses, run, write_tables

from clinragen.config.classifiers import Lstm, Reader
from clinragen.config.evaluate import Bootstrap
from clinragen.demo.evidence import read_evidence
from clinragen.evaluate.classify import classify
from clinragen.evaluate.planted import group_scores
from clinragen.evaluate.shuffle import exchange
from clinragen.model.files import Files
from clinragen.model.inputs import read_samples
from clinragen.model.tokens import encoder_tokens, load_tokenizer
from clinragen.provenance.record import describe
from clinragen.schemas.benchmark import COURSES, LABELS, SAMPLES, SERIES
from clinragen.schemas.predictions import PREDICTIONS
from clinragen.schemas.train import NOTE_TOKENS

READERS = {"lstm": LSTM, "patchtst": patchtst(), "encoder": Reader(method="encoder", pooling="first")}
TORCHRUN = str(Path(sys.executable).with_name("torchrun"))


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("classifiers")
    tables = write_tables(directory / "tables", train=24, validation=8, test=6)
    encoder = text_encoder(directory / "given/bert")
    read = SAMPLES.read(tables / "samples.parquet"), COURSES.read(tables / "courses.parquet")
    NOTE_TOKENS.write(
        pa.concat_tables(encoder_tokens(*read, load_tokenizer(encoder), 8)), tables / "encoder_tokens.arrow"
    )
    return directory


def words(place: Path, name: str, method: str, **changes: object) -> list[str]:
    encoder = place / "given/bert" if method == "encoder" else None
    return command(READERS[method], place / "tables", place / name, encoder, **changes)


@pytest.fixture(scope="module")
def train(place, fork_python) -> Callable[..., tuple[Path, str]]:
    def trained(name: str, method: str, **changes: object) -> tuple[Path, str]:
        log = run(words(place, name, method, **changes), (str(fork_python),))
        return place / name, log

    return trained


def of_test(tables: Path, reads_note: bool) -> list[dict]:
    series = [] if reads_note else [tables / "series_test.arrow"]
    notes = tables / "encoder_tokens.arrow" if reads_note else None
    files = Files(tables / "labels.parquet", notes, None, series, samples=tables / "samples.parquet")
    return read_samples(files, "test")


def weights(model: Path) -> dict[str, torch.Tensor]:
    """All weights of a saved classifier by name."""
    found = load_file(model / "classifier.safetensors")
    encoder = model / "encoder/model.safetensors"
    return found | (load_file(encoder) if encoder.is_file() else {})


@pytest.mark.parametrize("method", READERS)
def test_it_learns_to_tell_two_kinds_of_patients_apart(method, train, place):
    model, log = train(method, method, epochs=12, patience=12, selection="loss")
    found = losses(model)
    assert found[-1] < 0.5 * found[0] and found[-1] < losses(model, "eval_loss")[0]
    assert "a phenotype is named above a probability of 0." in log
    rows = of_test(place / "tables", method == "encoder")
    table = PREDICTIONS.check(classify(model, rows, "cpu", "fp32", 4), "test")
    assert table["predicted"].to_pylist() == table["true"].to_pylist() and table.num_rows == 6
    assert set(table["output"].to_pylist()) == {""}
    assert classify(model, rows, "cpu", "fp32", 1).equals(table)
    history = json.loads((model / "history.json").read_text(encoding="utf-8"))
    assert history["samples"]["train"] == {"samples": 24, "notes cut": history["samples"]["train"]["notes cut"]}


def test_an_encoder_learns_with_its_classifier_and_cut_notes_are_counted(train, place):
    model, log = train("whole-encoder", "encoder", epochs=1)
    before = load_file(place / "given/bert/model.safetensors")
    moved = changed(before, weights(model))
    assert any("layer.0." in name for name in moved) and any("word_embeddings" in name for name in moved)
    cut = json.loads((model / "history.json").read_text(encoding="utf-8"))["samples"]["train"]["notes cut"]
    assert 0 < cut < 24 and f"train split: 24 samples, {cut} notes cut" in log


@pytest.mark.slow
def test_killed_and_started_again_it_ends_in_the_same_bits(train, place, fork_python):
    changes = {"epochs": 12, "patience": 12}
    whole, _ = train("whole", "lstm", **changes)
    command = words(place, "killed", "lstm", **changes)
    process = Forked(fork_python, command, toy_student.environment())
    limit = time.monotonic() + 60
    while len(checkpoints(place / "checkpoints-killed")) < 2:
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert "resuming from" in run(command, (str(fork_python),))
    assert describe(whole)["sha256"] == describe(place / "killed")["sha256"]


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(place, fork_python):
    """Without dropout, whose random numbers each process draws for itself."""
    reader = Reader(method="lstm", lstm=Lstm(width=16, layers=1, dropout=0.0), steps=16)
    tables = place / "tables"
    run(command(reader, tables, place / "one"), (str(fork_python),))
    launcher = (str(fork_python), TORCHRUN, "--standalone", "--nproc-per-node", "2")
    run(command(reader, tables, place / "two", processes=2), launcher)
    one, two = weights(place / "one"), weights(place / "two")
    assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)
    assert losses(place / "one", "eval_f1") == pytest.approx(losses(place / "two", "eval_f1"))


EVIDENCE = read_evidence(ROOT / "resources/demo/evidence.yaml")
CHANNELS = {name: planted.channel for name, planted in EVIDENCE.phenotypes.items()}
STAYS = {"train": 360, "validation": 60, "test": 120}


def planted_tables(directory: Path) -> Path:
    """Series of stays with the effects of evidence.yaml, in standard deviations; some stays have no label."""
    directory.mkdir()
    random, variables = np.random.default_rng(3), list(EVIDENCE.variables)
    shown = [name for name in PHENOTYPES if CHANNELS[name] in ("labs", "both")]
    shifts = {name: [EVIDENCE.shift(name, v) for v in variables] for name in PHENOTYPES}
    samples, labels, stay = [], [], 0
    for split, number in STAYS.items():
        rows = []
        for _ in range(number):
            stay, steps = stay + 1, int(random.integers(24, 49))
            has = [str(random.choice(shown))] * int(random.random() < 0.7)
            noise = 0.6 * random.standard_normal((1, len(variables))) + 0.8 * random.standard_normal(
                (steps, len(variables))
            )
            values = noise + sum((np.array(shifts[name]) for name in has), np.zeros(len(variables)))
            flat = values.astype(np.float32).ravel()
            rows.append({"stay_id": stay, "steps": steps, "values": flat, "measured": [True] * len(flat)})
            samples.append({"stay_id": stay, "subject_id": stay, "hadm_id": stay, "split": split})
            labels.append({"stay_id": stay, "phenotypes": has})
        SERIES.write(pa.Table.from_pylist(rows, SERIES.schema), directory / f"series_{split}.arrow")
    SAMPLES.write(pa.Table.from_pylist(samples, SAMPLES.schema), directory / "samples.parquet")
    LABELS.write(pa.Table.from_pylist(labels, LABELS.schema), directory / "labels.parquet")
    return directory


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Path:
    return planted_tables(tmp_path_factory.mktemp("planted") / "tables")


@pytest.mark.parametrize("method", ["lstm", "patchtst"])
def test_what_is_planted_in_the_labs_is_found_and_lost_with_the_labs_of_others(method, planted, fork_python):
    reader = {
        "lstm": Reader(method="lstm", lstm=Lstm(width=64, layers=1, dropout=0.0), steps=48),
        "patchtst": patchtst(width=32, token="mean_of_stay").model_copy(update={"steps": 48}),
    }[method]
    model = planted.with_name(method)
    run(command(reader, planted, model, epochs=14, patience=14, batch=16), (str(fork_python),))
    rows = of_test(planted, False)
    conditions = {
        "as is": rows,
        "series shuffled": exchange(rows, "labs", 1),
        "notes shuffled": exchange(rows, "note", 1),
    }
    found = {name: classify(model, chosen, "cpu", "fp32", 32) for name, chosen in conditions.items()}
    patients = np.arange(found["as is"].num_rows)
    scores = group_scores(found, CHANNELS, patients, Bootstrap(replicates=1000, seed=1))
    f1 = {row["condition"]: row["f1"] for row in scores if row["group"] == "labs"}
    print(method, f1)
    assert f1["as is"] > f1["labels shuffled"] + 0.5
    assert f1["series shuffled"] < f1["labels shuffled"] + 0.15
    assert f1["notes shuffled"] == f1["as is"]
