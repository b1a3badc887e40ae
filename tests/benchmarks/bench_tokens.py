"""Tokens of the paper's number of samples: time and memory of writing them, of a start of training, and of its batches.

`make bench-tokens` runs it. Notes and rationales are words of a stand-in's vocabulary, one token each; lengths are
lognormal around what MIMIC's hospital courses have, so that a part of them is cut.
"""

import argparse
import re
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
from toy_student import tokenizer

from clinragen.model.files import Files
from clinragen.model.inputs import Collator, read_samples
from clinragen.model.tokens import count_cut, note_tokens, target_tokens
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.schemas.benchmark import COURSES, LABELS, SAMPLES
from clinragen.schemas.rationale import RATIONALES
from clinragen.schemas.train import NOTE_TOKENS, TARGET_TOKENS
from clinragen.train.batches import Sizes, Steps

NAMES = read_phenotypes(Path(__file__).parents[2] / "resources/phenotypes.csv")
MEDIAN_NOTE, SPREAD, RATIONALE, LAB = 700, 0.7, 110, 40
LONGEST_NOTE, LONGEST_TARGET = 1600, 500


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--samples", type=int, default=28_456, help="(%(default)s, as MIMIC-III in the paper)")
    given = parser.parse_args()
    random = np.random.default_rng(0)
    stays = list(range(given.samples))
    splits = random.choice(["train", "validation", "test"], given.samples, p=[0.8, 0.1, 0.1]).tolist()
    ids = {"subject_id": stays, "hadm_id": stays}
    samples = pa.table({"stay_id": stays, **ids, "split": splits}, SAMPLES.schema)
    names = [sorted(random.choice(NAMES, random.integers(1, 8), replace=False).tolist()) for _ in stays]
    labels = pa.table({"stay_id": stays, "phenotypes": names}, LABELS.schema)
    words = random.lognormal(np.log(MEDIAN_NOTE), SPREAD, given.samples).astype(int)
    notes = ["pressor " * n for n in words]
    courses = pa.table({"stay_id": stays, "heading": ["course"] * len(stays), "text": notes}, COURSES.schema)
    about = {"stay_id": stays, "request": ["r"] * len(stays), "status": ["good"] * len(stays)}
    about["note_cut"], about["problems"] = [0] * len(stays), [None] * len(stays)
    on_notes, on_labs = (
        pa.table(about | {"text": ["cold " * n] * len(stays)}).select(RATIONALES.schema.names).cast(RATIONALES.schema)
        for n in (RATIONALE, LAB)
    )
    print("| what | seconds | MB of memory more | MB of file |\n|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as place:
        paths = {name: Path(place, f"{name}.arrow") for name in ("notes", "targets")}
        LABELS.write(labels, Path(place, "labels.parquet"))
        given_texts = (labels, (on_notes, on_labs))
        pieces = {
            "notes": (NOTE_TOKENS, note_tokens(samples, courses, tokenizer(), LONGEST_NOTE)),
            "targets": (TARGET_TOKENS, target_tokens(samples, *given_texts, tokenizer(), LONGEST_TARGET)),
        }
        for name, (table, made) in pieces.items():
            counted = Measured()
            with table.writer(paths[name]) as out:
                for piece in made:
                    out.write(piece)
            counted.row(f"write the tokens of {name}", paths[name])
        found = count_cut(NOTE_TOKENS.read(paths["notes"]))
        # In a separate process, whose memory does not hold the texts above.
        with get_context("spawn").Pool(1) as pool:
            pool.apply(start_and_walk, (Path(place), paths))
    texts, cut = (sum(found[f"{split} {what}"] for split in set(splits)) for what in ("texts", "cut"))
    print(f"\n{texts} notes, of which {cut / texts:.0%} are cut at {LONGEST_NOTE} tokens.")


def start_and_walk(place: Path, paths: dict[str, Path]) -> None:
    """Read the samples as a training does, and collate the steps of an epoch."""
    collate = Collator(tokenizer(), None)
    counted = Measured()
    rows = read_samples(Files(place / "labels.parquet", paths["notes"], paths["targets"], []), "train")
    counted.row(f"read the {len(rows)} training samples, as a training starts")
    counted = Measured()
    options = {"batch": 24, "seed": 1, "shuffled": True, "most_tokens": 51_200, "process": 0, "processes": 1}
    steps = Steps(rows, Sizes(rows, 0), collate, **options)
    for step in range(len(steps)):
        steps[step]
    counted.row(f"collate the {len(steps)} steps of an epoch (the mapped files count)")


class Measured:
    """Time and growth of memory since it was made."""

    def __init__(self) -> None:
        self.started, self.before = time.monotonic(), _peak()

    def row(self, what: str, file: Path | None = None) -> None:
        """Print a row of the table."""
        size = f"{file.stat().st_size / 1e6:.0f}" if file else "–"
        print(f"| {what} | {time.monotonic() - self.started:.1f} | {_peak() - self.before:.0f} | {size} |", flush=True)


def _peak() -> float:
    """Peak of the resident memory so far, in MB; getrusage would count that of the process that started this one."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1e3


if __name__ == "__main__":
    main()
