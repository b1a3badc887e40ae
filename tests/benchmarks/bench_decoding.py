"""How fast students write: whole outputs and diagnoses alone, by beams and number format; one run, one table.

`make bench-decoding` runs it. The first student is a trained one of the demo, which writes what it has learned. The
second has the shape of Flan-T5-small and random weights: it is made to write targets of ordinary length.
"""

import argparse
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from dictated import Dictated
from runs import ROOT
from torch import nn
from transformers import PreTrainedTokenizerBase, T5ForConditionalGeneration
from unit.test_model_sizes import SHAPES

from clinragen.config.student import Texts
from clinragen.demo.tiny_student import build_tokenizer
from clinragen.model.backbone import adapter_of
from clinragen.model.decoding import FIRST_LIMIT, Output, decode
from clinragen.model.files import Files
from clinragen.model.inputs import Row, read_samples
from clinragen.model.student import BACKBONE, Student
from clinragen.model.target_codec import parse_output, write_target
from clinragen.model.tokens import encode_notes, load_tokenizer
from clinragen.registry.phenotypes import read_phenotypes

NAMES = read_phenotypes(ROOT / "resources/phenotypes.csv")
STUDENT = "train/flan-t5-small/rationales-template-knowledge/seed1/phase3"
# Tokens of a note, of R^m and of R^t (100 and 35 words), and of the name of a phenotype, as T5's tokenizer makes them.
NOTE_TOKENS, NOTE_RATIONALE, LAB_RATIONALE, NAME, NAMES_OF_A_STAY = 400, 150, 60, 8, 4
# Samples at once, beams, bf16, diagnoses only.
SETTINGS = (
    *((64, 1, 0, 0), (64, 1, 0, 1), (256, 1, 0, 1), (64, 2, 0, 0), (64, 2, 0, 1), (256, 2, 0, 1)),
    *((64, 1, 1, 0), (64, 2, 1, 0)),
)


def read_test_split(dataset: Path) -> list[Row]:
    """The test samples of a dataset in a tree of results."""
    tables, notes = dataset / "benchmark", dataset / "train/flan-t5-small/note_tokens.arrow"
    return read_samples(Files(tables / "labels.parquet", notes, None, [tables / "series_test.arrow"]), "test")


def measured(
    name: str, student: Student, rows: list[dict], tokenizer: PreTrainedTokenizerBase, half: bool, **options: object
) -> list[Output]:
    """Decode, and print the row of the table."""
    started, busy = time.monotonic(), time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        outputs = decode(student, rows, tokenizer, options.pop("size"), **options)
    seconds, busy = time.monotonic() - started, time.process_time() - busy
    tokens = sum(output.tokens for output in outputs) / len(outputs)
    cut = sum(output.end == "limit" for output in outputs)
    print(
        f"| {name} | {len(rows)} | {len(rows) / seconds:.2f} | {len(rows) / busy:.2f} | {tokens:.0f} | {cut} |",
        flush=True,
    )
    return outputs


def of_the_demo(dataset: Path, number: int, limit: int) -> None:
    """The trained stand-in on the test split, repeated up to a number of samples."""
    checkpoint = dataset / STUDENT
    student, tokenizer = Student.load(checkpoint).eval(), load_tokenizer(checkpoint / BACKBONE)
    rows = list(islice(cycle(read_test_split(dataset)), number))
    found = {}
    for size, beams, half, only in SETTINGS:
        text = f"{'diagnoses' if only else 'whole'}, beams {beams}, {'bf16' if half else 'fp32'}, {size} at once"
        options = {"size": size, "max_new_tokens": limit, "num_beams": beams, "diagnoses_only": bool(only)}
        found[beams, half, only] = measured(f"stand-in, {text}", student, rows, tokenizer, bool(half), **options)
    print("\n| compared | other diagnoses | other texts |\n|---|---:|---:|")
    pairs = {
        "greedy: diagnoses only, whole": ((1, 0, 0), (1, 0, 1)),
        "beams 2: diagnoses only, whole": ((2, 0, 0), (2, 0, 1)),
        "greedy: bf16, fp32": ((1, 0, 0), (1, 1, 0)),
        "beams 2: bf16, fp32": ((2, 0, 0), (2, 1, 0)),
        "whole: beams 2, greedy": ((1, 0, 0), (2, 0, 0)),
    }
    for name, (one, other) in pairs.items():
        both = list(zip(found[one], found[other], strict=True))
        diagnoses = sum(_diagnoses(a) != _diagnoses(b) for a, b in both) / len(both)
        print(f"| {name} | {diagnoses:.1%} | {sum(a.text != b.text for a, b in both) / len(both):.1%} |")


def _diagnoses(output: Output) -> list[str]:
    return parse_output(output.text, NAMES, output.end == "limit").phenotypes


def of_flan_size(number: int, size: int) -> None:
    """A random student of Flan-T5-small's shape, made to write targets of ordinary length."""
    words = [" ".join(["pressure"] * n) for n in (NAME, NOTE_RATIONALE, LAB_RATIONALE)]
    text = write_target([words[0]] * NAMES_OF_A_STAY, *words[1:])
    tokenizer = build_tokenizer([text] * 3)
    model = T5ForConditionalGeneration(SHAPES["flan-t5-small"])
    model.lm_head = nn.Linear(512, 32128, bias=False)
    student = Student(
        adapter_of(model, tokenizer), Texts(max_note_tokens=NOTE_TOKENS, max_target_tokens=500), ("note",)
    ).eval()
    (note,) = encode_notes(["pressure " * NOTE_TOKENS], tokenizer, NOTE_TOKENS)
    rows = [{"stay_id": i, "input_ids": np.array(note["tokens"])} for i in range(number)]
    ids = [tokenizer(text)["input_ids"]] * number
    for beams, only in ((1, False), (1, True), (2, False), (2, True)):
        name = f"Flan-T5-small's shape, {'diagnoses' if only else 'whole'}, beams {beams}, fp32, {size} at once"
        options = {"size": size, "max_new_tokens": 500, "num_beams": beams, "diagnoses_only": only}
        measured(name, student, rows, tokenizer, False, logits_processor=[Dictated(ids, beams)], **options)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("tree", type=Path, help="tree of results with a trained demo")
    parser.add_argument("--dataset", default="mimic3")
    parser.add_argument("--samples", type=int, default=640)
    parser.add_argument("--limit", type=int, default=144, help="max_new_tokens of the demo")
    parser.add_argument("--large", type=int, default=16, help="samples of Flan-T5-small's shape")
    given = parser.parse_args()
    print(f"First limit of diagnoses alone: {FIRST_LIMIT} tokens; {torch.get_num_threads()} threads.\n")
    print("| what | samples | a second | a second of CPU | tokens of an output | cut |\n|---|---:|---:|---:|---:|---:|")
    of_flan_size(given.large, 8)
    of_the_demo(given.tree / given.dataset, given.samples, given.limit)


if __name__ == "__main__":
    main()
