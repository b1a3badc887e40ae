"""Language models that can be trained: what their own files say of them, read without loading them."""

import json
from pathlib import Path
from typing import Any, Literal

from clinragen.config.student import Lengths
from clinragen.errors import UserError

Kind = Literal["seq2seq", "causal"]
# By `model_type` of config.json. Not transformers' own lists: its causal one has encoders such as BERT too.
# tests/unit/test_model_backbone.py trains and decodes with a model of every type.
KINDS: dict[str, Kind] = {
    **dict.fromkeys(("t5", "mt5", "umt5"), "seq2seq"),
    **dict.fromkeys(("opt", "gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3"), "causal"),
}
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json")
# Tokenizer classes without an end mark of their own.
PLAIN_TOKENIZERS = ("PreTrainedTokenizerFast", "TokenizersBackend")


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a model; UserError if it cannot be read."""
    config = _read(folder / "config.json")
    if config is None:
        raise UserError(f"{folder}: not a readable language model: config.json; copy it again, or train it again")
    return config


def kind_problem(model: str, model_type: object) -> str | None:
    """Why a model of this type cannot be trained."""
    if model_type in KINDS:
        return None
    return f"{model} is of model_type {model_type}; supported: {', '.join(KINDS)}"


def kind_of(folder: Path) -> Kind:
    """Whether a model reads with an encoder or continues its prompt; UserError for any other."""
    model_type = read_config(folder).get("model_type")
    if problem := kind_problem(str(folder), model_type):
        raise UserError(problem)
    return KINDS[model_type]


def end_mark_problem(folder: Path) -> str | None:
    """Why the tokenizer stored with a model cannot end a text.

    Files alone do not show every defect: many tokenizer classes have an end mark that no file names. The rule that
    fetches the model loads the tokenizer and looks again.
    """
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        return f"{folder} has no tokenizer ({', '.join(TOKENIZER_FILES)}); save it there with save_pretrained"
    settings = _read(folder / "tokenizer_config.json") or {}
    named = settings | (_read(folder / "special_tokens_map.json") or {})
    without = "eos_token" in named or settings.get("tokenizer_class") in PLAIN_TOKENIZERS
    if without and not named.get("eos_token"):
        return f"the tokenizer in {folder} has no end mark; set eos_token in its tokenizer_config.json"
    return None


def positions_problem(model: str, config: dict[str, Any], lengths: Lengths) -> str | None:
    """Why the longest prompt and target do not fit into a model with this config.json.

    Encoder-decoder models of the T5 family know distances only and have no limit.
    """
    most = config.get("max_position_embeddings", config.get("n_positions"))
    if KINDS.get(config.get("model_type")) != "causal" or most is None or lengths.total <= most:
        return None
    excess = lengths.total - most
    return (
        f"{model} has {most} positions, but {lengths.total} are needed: {lengths.note} of a note "
        f"(student.texts.max_note_tokens), {lengths.target} of a target (the larger of student.texts.max_target_tokens "
        f"and evaluate.decoding.max_new_tokens), {lengths.labs} lab tokens and {lengths.marks} marks; lower the first "
        f"two by {excess} together"
    )


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
