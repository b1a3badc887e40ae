"""A student of toy size and the tables it learns from, made on the spot."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load_file

from clinragen.config.student import Fusion, Parts, Texts
from clinragen.config.train import Launch, Optimizer
from clinragen.demo import tiny_encoder
from clinragen.demo.tiny_student import build_model, build_tokenizer
from clinragen.model.backbone import adapter_of
from clinragen.model.files import Files
from clinragen.model.student import Student
from clinragen.model.target_codec import write_target
from clinragen.model.tokens import caption_tokens, note_tokens, target_tokens
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.registry.snapshot import write_source
from clinragen.registry.tokenizer import identity_of
from clinragen.schemas.benchmark import CAPTIONS, COURSES, LABELS, SAMPLES, SERIES
from clinragen.schemas.extract import FEATURES
from clinragen.schemas.rationale import RATIONALES
from clinragen.schemas.train import CAPTION_TOKENS, NOTE_TOKENS, TARGET_TOKENS

ROOT = Path(__file__).resolve().parents[1]
PHENOTYPES = read_phenotypes(ROOT / "resources" / "phenotypes.csv")
STEPS, CHANNELS = 16, 3
TEXTS = Texts(max_note_tokens=48, max_target_tokens=48)
FUSION = {
    "series_encoder": {
        "patch": 8,
        "width": 16,
        "layers": 1,
        "heads": 2,
        "feed_forward": 32,
        "dropout": 0.0,
        "positions": "random",
        "norm": "batch",
        "mask_padding": False,
        "token": "last",
    },
    "attention": {"heads": 2, "head_width": 8, "prototypes": 4, "dropout": 0.0},
    "qformer": {"queries": 4, "cross_attention_every": 2},
    "variable_identity": True,
    "lab_position": "prefix",
}
VOCABULARY = list(range(10, 40))
OPTIMIZER = Optimizer(
    weight_decay=0.05,
    warmup=0.1,
    batch=8,
    batch_order="shuffled",
    diagnoses_weight=1.0,
    selection="f1",
    marked_samples="keep",
    precision="fp32",
    max_steps=None,
)
LAUNCH = Launch(
    device="cpu",
    nodes=1,
    processes=1,
    micro_batch_tokens=100_000,
    fit_memory=False,
    deepspeed=False,
    zero_stage=2,
    gradient_checkpointing=False,
)
LORA = {"rank": 4, "alpha": 8, "dropout": 0.05, "modules": "all"}
# Two kinds of patients, distinguished by the note and by the level of the series.
KINDS = [(["Shock"], "pressor fluids cold", 2.0), (["Essential hypertension"], "tablet clinic calm", -2.0)]
FEATURES_OF_KIND = [{"sex": "F", "admission_type": "EMERGENCY"}, {"sex": "M", "admission_type": "ELECTIVE"}]
TABLES = ("samples", "labels", "courses")
SPLITS = ("train", "validation", "test")


def fusion(**changes: object) -> Fusion:
    """How the toy student reads series; `attention__prototypes=0` changes a value inside a section."""
    raw = json.loads(json.dumps(FUSION))
    for place, value in changes.items():
        *sections, key = place.split("__")
        target = raw
        for section in sections:
            target = target[section]
        target[key] = value
    return Fusion.model_validate(raw)


@cache
def tokenizer(shape: str = "tiny"):
    """The tokenizer of the demo, over the names of the phenotypes and the words of the toy notes."""
    names = [write_target([p], f"Based on the medical notes, {p}", f"Lab test shows {p}") for p in PHENOTYPES]
    return build_tokenizer([*names, *(note for _, note, _ in KINDS)] * 3, shape)


READS = {"notes": ("note",), "labs": ("series",), "both": ("note", "series")}


def student(reads: str = "both", seed: int = 0, shape: str = "tiny", **changes: object) -> Student:
    """A random student in evaluation mode that reads notes, labs or both; all have the parts for series."""
    adapter = adapter_of(build_model(len(tokenizer(shape)), seed, shape), tokenizer(shape))
    made = Student(adapter, TEXTS, READS[reads])
    made.add_series_parts(fusion(**changes), CHANNELS, STEPS, VOCABULARY)
    return made.eval()


def batch(count: int = 2, length: int = 7, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random notes of one length without padding, random series, random targets."""
    random = torch.Generator().manual_seed(seed)
    ids = torch.randint(10, 60, (count, length), generator=random)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "series": torch.randn(count, STEPS, CHANNELS, generator=random),
        "steps": torch.full((count,), STEPS),
        "labels": torch.randint(10, 60, (count, 5), generator=random),
    }


def write_backbone(directory: Path, seed: int = 0, shape: str = "tiny") -> Path:
    """Model and tokenizer as `from_pretrained` expects them, and what they are."""
    build_model(len(tokenizer(shape)), seed, shape).save_pretrained(directory)
    tokenizer(shape).save_pretrained(directory)
    write_source(directory, {"source": shape, "revision": f"seed {seed}"})
    return directory


def write_text_encoder(directory: Path, seed: int = 0) -> Path:
    """A tiny BERT as `from_pretrained` expects it."""
    tiny_encoder.build_encoder(PHENOTYPES, directory, seed)
    return directory


def write_tables(directory: Path, train: int = 16, validation: int = 4, test: int = 5, shape: str = "tiny") -> Path:
    """Tables of stages benchmark and rationale over stays of both kinds, and a vocabulary."""
    directory.mkdir(parents=True, exist_ok=True)
    splits = ["train"] * train + ["validation"] * validation + ["test"] * test
    random = np.random.default_rng(0)
    rows: dict[str, list[dict]] = {name: [] for name in (*TABLES, *SPLITS, "captions", "features", "notes", "labs")}
    for i, split in enumerate(splits):
        # Not in the order of the stays, to see that outputs are.
        stay = 1000 - i
        names, note, level = KINDS[i % len(KINDS)]
        steps = int(random.integers(4, STEPS + 4))
        values = (level + 0.1 * random.standard_normal(steps * CHANNELS)).astype(np.float32)
        text = " ".join(random.permutation(note.split()).tolist() * int(random.integers(1, 4)))
        rows["samples"].append({"stay_id": stay, "subject_id": stay, "hadm_id": stay, "split": split})
        rows["labels"].append({"stay_id": stay, "phenotypes": names})
        rows["courses"].append({"stay_id": stay, "heading": "course", "text": text})
        rows["captions"].append({"stay_id": stay, "text": f"Lab test shows level {level}."})
        rows["features"].append({"stay_id": stay, "age": 40.0 + i} | FEATURES_OF_KIND[i % len(KINDS)])
        rows[split].append({"stay_id": stay, "steps": steps, "values": values, "measured": [True] * len(values)})
        rows["notes"].append({"stay_id": stay, "request": "r", "text": f"Based on the medical notes, {note}."})
        rows["labs"].append({"stay_id": stay, "request": "r", "text": f"Lab test shows level {level}."})
    for table in (SAMPLES, LABELS, COURSES, CAPTIONS, FEATURES):
        table.write(pa.Table.from_pylist(rows[table.name], table.schema), directory / f"{table.name}.parquet")
    for split in SPLITS:
        SERIES.write(pa.Table.from_pylist(rows[split], SERIES.schema), directory / f"series_{split}.arrow")
    for name in ("notes", "labs"):
        RATIONALES.write(
            pa.Table.from_pylist([{"status": "good", "note_cut": 0} | row for row in rows[name]], RATIONALES.schema),
            directory / f"{name}.parquet",
        )
    facts = {"ids": VOCABULARY, "tokenizer": identity_of(tokenizer(shape))}
    (directory / "vocabulary.json").write_text(json.dumps(facts), encoding="utf-8")
    write_tokens(directory, shape=shape)
    return directory


def write_site(directory: Path, shape: str = "tiny") -> Path:
    """The directory, with what trainings start from: `tables` and the language model `given/backbone`."""
    write_tables(directory / "tables", shape=shape)
    write_backbone(directory / "given" / "backbone", shape=shape)
    return directory


def write_tokens(directory: Path, texts: Texts = TEXTS, shape: str = "tiny") -> None:
    """The tokens of the tables in a directory: of notes, of targets, without R^m, of diagnoses alone, and after R^m."""
    samples, labels, courses = (table.read(directory / f"{table.name}.parquet") for table in (SAMPLES, LABELS, COURSES))
    on_notes, on_labs = (RATIONALES.read(directory / f"{name}.parquet") for name in ("notes", "labs"))
    notes = note_tokens(samples, courses, tokenizer(shape), texts.max_note_tokens)
    NOTE_TOKENS.write(pa.concat_tables(notes), directory / "note_tokens.arrow")
    captions = caption_tokens(samples, CAPTIONS.read(directory / "captions.parquet"), tokenizer(shape))
    CAPTION_TOKENS.write(pa.concat_tables(captions), directory / "caption_tokens.arrow")
    parts = {"target": (on_notes, on_labs), "lab_target": (None, on_labs), "diagnoses": (None, None)}
    parts["rationale_first"] = (on_notes, None)
    for name, rationales in parts.items():
        given = samples, labels, rationales, tokenizer(shape), texts.max_target_tokens
        targets = target_tokens(*given, rationale_first=name == "rationale_first")
        TARGET_TOKENS.write(pa.concat_tables(targets), directory / f"{name}_tokens.arrow")


def files(tables: Path, targets: str | None = "target") -> Files:
    """The tables as the library takes them; `targets` may also be another name of `write_tokens`, or None."""
    series = [tables / f"series_{split}.arrow" for split in SPLITS]
    learned = tables / f"{targets}_tokens.arrow" if targets else None
    return Files(tables / "labels.parquet", tables / "note_tokens.arrow", learned, series)


def command(rule: str, tables: Path, out: Path, *start: object, seed: int = 1, **changes: object) -> list[str]:
    """Command line of a training script without the interpreter.

    `start` are the arguments that only this phase has. Changes: epochs, patience, learning_rate, every key of OPTIMIZER
    and LAUNCH, `targets`, for phase 2 `instruction`, and for a single stage `parts`, `texts` and `text_encoder`.
    """
    phase = {"learning_rate": 5e-3, "epochs": 3, "patience": 3}
    optimizer, launch = OPTIMIZER.model_dump(), LAUNCH.model_dump()
    for section in (phase, optimizer, launch):
        section |= {k: v for k, v in changes.items() if k in section}
    new = ("--fusion", fusion().model_dump_json(), "--steps", STEPS)
    given = {"reads": ["note"], "series": None, "soft_prompts": None} | changes.get("parts", {})
    parts = Parts(**given, fusion=fusion(), steps=STEPS, soft_prompt=4)
    composed = ("--texts", changes.get("texts", TEXTS).model_dump_json(), "--parts", parts.model_dump_json())
    encoder = ("--text-encoder", *([changes["text_encoder"]] if "text_encoder" in changes else []))
    own = {
        "train_phase1": ("--texts", TEXTS.model_dump_json()),
        "train_phase2": (*new, "--instruction", changes.get("instruction", False)),
        "train_phase3": (),
        "train_joint": (*composed, *encoder, "--vocabulary"),
        "train_lora": (*composed, *encoder, "--vocabulary"),
        "train_frozen": (*composed, *encoder, "--vocabulary"),
    }[rule]
    inputs = ["--labels", tables / "labels.parquet"]
    if rule != "train_phase2":
        inputs += ["--notes", tables / "note_tokens.arrow"]
    targets = changes.get("targets", "lab_target" if rule == "train_phase2" else "target")
    inputs += ["--targets", tables / f"{targets}_tokens.arrow"]
    if rule in ("train_joint", "train_lora", "train_frozen"):
        inputs += ["--captions", *[tables / "caption_tokens.arrow"] * ("captions" in parts.reads)]
        inputs += ["--features", *[tables / "features.parquet"] * ("features" in parts.reads)]
        inputs += ["--series"]
    if rule in ("train_phase2", "train_phase3") or "series" in parts.reads:
        inputs += ["--series"] * rule.startswith("train_phase")
        inputs += [tables / "series_train.arrow", tables / "series_validation.arrow"]
    words = [
        *(ROOT / "scripts" / f"{rule}.py", *start, *inputs),
        *(*own, "--phase", json.dumps(phase | LORA if rule == "train_lora" else phase)),
        *("--optimizer", json.dumps(optimizer), "--launch", json.dumps(launch), "--seed", seed),
        *("--checkpoints", out.with_name(f"checkpoints-{out.name}"), "--model", out),
    ]
    return [str(word) for word in words]


def environment() -> dict[str, str]:
    """One thread per process, and no network."""
    return os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def run(words: list[str], launcher: tuple[str, ...] = (), **variables: str) -> str:
    """Run a script to its end and return its log; a failure shows the log."""
    done = subprocess.run(
        [*(launcher or (sys.executable,)), *words],
        env=environment() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def weights(model: Path) -> dict[str, torch.Tensor]:
    """All weights of a saved student by name; those of the language model begin with `backbone.`."""
    found = {f"backbone.{k}": v for k, v in load_file(model / "backbone" / "model.safetensors").items()}
    own = model / "parts.safetensors"
    return found | (load_file(own) if own.is_file() else {})


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    """Names of the tensors that are in both and differ in any bit."""
    return {k for k in before.keys() & after.keys() if not torch.equal(before[k], after[k])}


def kept_loss(model: Path) -> float:
    """The validation loss of the epoch whose weights were kept."""
    history = json.loads((model / "history.json").read_text(encoding="utf-8"))["history"]
    (loss,) = (row["eval_loss"] for row in history if "kept" in row)
    return loss


def losses(model: Path, key: str = "loss") -> list[float]:
    """The logged losses of a training."""
    history = json.loads((model / "history.json").read_text(encoding="utf-8"))["history"]
    return [row[key] for row in history if key in row]
