"""Classifiers of toy size, and the command lines of their trainings."""

import json
from pathlib import Path

import torch
from toy_student import CHANNELS, LAUNCH, OPTIMIZER, PHENOTYPES, ROOT, STEPS, fusion

from clinragen.config.classifiers import Lstm, Reader
from clinragen.config.student import SeriesEncoder
from clinragen.demo.tiny_encoder import build_encoder
from clinragen.model.classifier import Classifier, build_classifier
from clinragen.model.student import Shape

LSTM = Reader(method="lstm", lstm=Lstm(width=16, layers=2, dropout=0.1), steps=STEPS)
MASKED = {"series_encoder__mask_padding": True, "series_encoder__token": "last_of_stay"}


def series_encoder(**changes: object) -> SeriesEncoder:
    """How the toy PatchTST reads series: padding is hidden."""
    return fusion(**MASKED | {f"series_encoder__{name}": value for name, value in changes.items()}).series_encoder


def patchtst(**changes: object) -> Reader:
    """A toy PatchTST."""
    return Reader(method="patchtst", series_encoder=series_encoder(**changes), steps=STEPS)


def text_encoder(directory: Path) -> Path:
    """A tiny text encoder over the names of the phenotypes and some words."""
    if not directory.exists():
        directory.mkdir(parents=True)
        build_encoder([*PHENOTYPES, "pressor fluids cold tablet clinic calm"] * 3, directory, 1)
    return directory


def classifier(reader: Reader, encoder: Path | None = None, seed: int = 0) -> Classifier:
    """A random classifier in evaluation mode."""
    torch.manual_seed(seed)
    shape = Shape(CHANNELS, STEPS) if reader.steps else None
    return build_classifier(reader, shape, encoder, PHENOTYPES).eval()


def command(
    reader: Reader, tables: Path, out: Path, encoder: Path | None = None, seed: int = 1, **changes: object
) -> list[str]:
    """Command line of rule train_classifier; changes: epochs, patience, learning_rate, keys of OPTIMIZER and LAUNCH."""
    phase = {"learning_rate": 1e-2, "epochs": 4, "patience": 4}
    optimizer, launch = OPTIMIZER.model_dump(), LAUNCH.model_dump()
    for section in (phase, optimizer, launch):
        section |= {k: v for k, v in changes.items() if k in section}
    series = [tables / f"series_{split}.arrow" for split in ("train", "validation")] if reader.steps else []
    words = [
        *(ROOT / "scripts/train_classifier.py", "--reader", reader.model_dump_json(), "--encoder"),
        *([encoder] if encoder else []),
        *("--samples", tables / "samples.parquet", "--labels", tables / "labels.parquet", "--notes"),
        *([tables / "encoder_tokens.arrow"] if encoder else []),
        *("--series", *series, "--phenotypes", ROOT / "resources/phenotypes.csv", "--phase", json.dumps(phase)),
        *("--optimizer", json.dumps(optimizer), "--launch", json.dumps(launch), "--seed", seed),
        *("--checkpoints", out.with_name(f"checkpoints-{out.name}"), "--model", out),
    ]
    return [str(word) for word in words]
