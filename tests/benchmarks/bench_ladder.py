"""Where do the labs get lost? Planted evidence, followed from the series to the diagnosis, a rung at a time.

`make ladder` runs it on the tree of `make planted`. Each rung is micro F1 over the phenotypes whose evidence is in the
labs only; where one fails, the fault is between it and the one above.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import transformers
from runs import ROOT
from torch import Tensor, nn
from torch.nn import functional

from clinragen.config.evaluate import Decoding
from clinragen.config.student import SeriesEncoder as Settings
from clinragen.demo.evidence import read_evidence
from clinragen.evaluate.planted import statements
from clinragen.evaluate.predict import predict
from clinragen.evaluate.shuffle import exchange
from clinragen.model.files import Files
from clinragen.model.inputs import Row, pad_series, read_samples
from clinragen.model.series_encoder import SeriesEncoder
from clinragen.model.student import BACKBONE, Student
from clinragen.model.target_codec import parse_output
from clinragen.model.tokens import load_tokenizer
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.schemas.benchmark import CAPTIONS

EVIDENCE = read_evidence(ROOT / "resources/demo/evidence.yaml")
NAMES = read_phenotypes(ROOT / "resources/phenotypes.csv")
LABS = [name for name, planted in EVIDENCE.phenotypes.items() if planted.channel == "labs"]
WORDS = {frozenset({"higher"}): "high", frozenset({"lower"}): "low", frozenset({"higher", "lower"}): "both"}
BATCH = 64
DECODING = Decoding(device="cpu", beams=1, max_new_tokens=100, write="all", precision="fp32")


def f1(found: list[set[str]], samples: list[Row]) -> float:
    """Micro F1 over the phenotypes that show in the labs only."""
    pairs = [(names & {*LABS}, {*sample["phenotypes"]} & {*LABS}) for names, sample in zip(found, samples, strict=True)]
    return 2 * sum(len(p & t) for p, t in pairs) / max(1, sum(len(p) + len(t) for p, t in pairs))


def tensors(samples: list[Row], steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Series [n, steps, channels], their own steps [n], and which of LABS each sample has [n, len(LABS)]."""
    series = torch.from_numpy(np.stack([pad_series(s["series"], steps) for s in samples])).float()
    own = torch.tensor([min(len(s["series"]), steps) for s in samples])
    return series, own, torch.tensor([[float(name in s["phenotypes"]) for name in LABS] for s in samples])


def fit(features: Callable[[Tensor], Tensor], parts: list[nn.Module], truth: Tensor, epochs: int, rate: float) -> None:
    """Train the parts so that `features(indices)` are the logits of the truth."""
    optimizer = torch.optim.AdamW([p for part in parts for p in part.parameters()], lr=rate)
    for _ in range(epochs):
        for chosen in torch.randperm(len(truth)).split(16):
            loss = functional.binary_cross_entropy_with_logits(features(chosen), truth[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def named(logits: Tensor) -> list[set[str]]:
    """Names of the positive logits of each row."""
    return [{LABS[i] for i in row.nonzero().flatten().tolist()} for row in logits > 0]


def head_on_series(settings: Settings, steps: int, train: list[Row], tests: list[list[Row]]) -> list[float]:
    """A new encoder with a linear head: is the planted signal in the series?"""
    series, own, truth = tensors(train, steps)
    encoder = SeriesEncoder(settings, series.shape[2], steps)
    head = nn.Linear(series.shape[2] * encoder.tokens * settings.width, len(LABS))
    fit(lambda i: head(encoder(series[i], own[i])[0].flatten(1)), [encoder, head], truth, 5, 3e-3)
    encoder.eval()
    scores = []
    for samples in tests:
        series, own, _ = tensors(samples, steps)
        with torch.no_grad():
            scores.append(f1(named(head(encoder(series, own)[0].flatten(1))), samples))
    return scores


def lab_tokens(student: Student, samples: list[Row]) -> Tensor:
    """What the language model gets for the labs [n, tokens x d]."""
    student.reads = ("series",)
    series, own, _ = tensors(samples, student.shape.steps)
    with torch.no_grad():
        parts = [
            student._embed(series=s, steps=n)[0].flatten(1)
            for s, n in zip(series.split(BATCH), own.split(BATCH), strict=True)
        ]
    return torch.cat(parts)


def probe_on_tokens(checkpoint: Path, train: list[Row], tests: list[list[Row]]) -> list[float]:
    """A linear probe on the lab tokens: do they hold what the series say?"""
    student = Student.load(checkpoint).eval()
    tokens = lab_tokens(student, train)
    mean, scale = tokens.mean(0), tokens.std(0) + 1e-6
    head = nn.Linear(tokens.shape[1], len(LABS))
    fit(lambda i: head((tokens[i] - mean) / scale), [head], tensors(train, student.shape.steps)[2], 30, 1e-3)
    with torch.no_grad():
        return [f1(named(head((lab_tokens(student, samples) - mean) / scale)), samples) for samples in tests]


def reading_of_words(checkpoint: Path, captions: dict[int, str], samples: list[Row], own: list[Row]) -> float:
    """The language model alone, given the captions' findings in words: does it know what they mean?"""
    student, tokenizer = Student.load(checkpoint, ("note",)).eval(), load_tokenizer(checkpoint / BACKBONE)
    texts = []
    for sample in own:
        found: dict[str, set[str]] = {}
        for variable, direction in sorted(statements(captions[sample["stay_id"]], list(EVIDENCE.variables))):
            found.setdefault(variable, set()).add(direction)
        words = [f"{v} {WORDS[frozenset(found[v])]}" for v in EVIDENCE.variables if v in found]
        texts.append(", ".join(words) or "all normal")
    outputs: list[str] = []
    for start in range(0, len(texts), BATCH):
        asked = tokenizer(texts[start : start + BATCH], padding=True, return_tensors="pt")
        ids = student.generate(dict(asked), max_new_tokens=DECODING.max_new_tokens, do_sample=False)
        outputs += tokenizer.batch_decode(ids, skip_special_tokens=True)
    return f1([set(parse_output(text, NAMES).phenotypes) for text in outputs], samples)


def written(checkpoint: Path, samples: list[Row]) -> float:
    """What the student itself writes."""
    found = predict(checkpoint, samples, NAMES, DECODING, BATCH)["predicted"].to_pylist()
    return f1([set(names) for names in found], samples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path, help="results tree with planted evidence, such as results/planted")
    parser.add_argument("--seed", type=int, default=1, help="seed of the training (%(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    data, trained = args.tree / "mimic3/benchmark", args.tree / "mimic3/train/flan-t5-small"
    phase1, phase2, phase3 = (
        trained / run / f"seed{args.seed}" / f"phase{phase}"
        for run, phase in (
            ("rationales-template", 1),
            ("rationales-template-knowledge", 2),
            ("rationales-template-knowledge", 3),
        )
    )
    series = [data / f"series_{split}.arrow" for split in ("train", "test")]
    files = Files(data / "labels.parquet", trained / "note_tokens.arrow", None, series)
    train, test = read_samples(files, "train"), read_samples(files, "test")
    tests = [test, exchange(test, "labs", args.seed)]
    read = CAPTIONS.read(data / "captions.parquet")
    captions = dict(zip(read["stay_id"].to_pylist(), read["text"].to_pylist(), strict=True))
    others = [test[i] for i in np.roll(np.arange(len(test)), 1)]
    known = Student.load(phase3)
    rungs = {
        "series, a linear head on the encoder": head_on_series(
            known.fusion.series_encoder, known.shape.steps, train, tests
        ),
        "lab tokens after phase 3, a linear probe": probe_on_tokens(phase3, train, tests),
        "findings in words, the language model of phase 1": [
            reading_of_words(phase1, captions, test, own) for own in (test, others)
        ],
        "phase 2, what it writes": [written(phase2, samples) for samples in tests],
        "phase 3, what it writes": [written(phase3, samples) for samples in tests],
    }
    print(f"{len(train)} training stays, {len(test)} test stays, seed {args.seed}\n")
    print("| rung | labs only: F1 | labs of another stay |\n|---|---:|---:|")
    for rung, (as_is, shuffled) in rungs.items():
        print(f"| {rung} | {as_is:.3f} | {shuffled:.3f} |")


if __name__ == "__main__":
    main()
