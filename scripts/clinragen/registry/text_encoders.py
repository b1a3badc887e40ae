"""Text encoders: what their own files say of them, read without loading them."""

from pathlib import Path
from typing import Any

from clinragen.errors import UserError
from clinragen.registry.language_models import read_config

# By `model_type` of config.json. Trained models are built of the first; BERTScore takes vectors of both.
BERT = "bert"
TYPES = (BERT, "roberta")
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt")


def encoder_problem(model: str, config: dict[str, Any]) -> str | None:
    """Why a model with this config.json cannot serve as a text encoder."""
    if config.get("model_type") not in TYPES:
        return f"{model} is of model_type {config.get('model_type')}; supported text encoders: {', '.join(TYPES)}"
    if not isinstance(config.get("max_position_embeddings"), int):
        return f"{model} does not say how long its texts may be; set max_position_embeddings in its config.json"
    return None


def building_problem(model: str, config: dict[str, Any]) -> str | None:
    """Why trained models cannot be built of a text encoder with this config.json."""
    kind = config.get("model_type")
    built = kind == BERT or kind not in TYPES  # `encoder_problem` names the others
    return None if built else f"{model} is of model_type {kind}; trained models are built of {BERT} only"


def longest_text(config: dict[str, Any]) -> int:
    """Most tokens of a text, marks included; the positions of RoBERTa begin after that of its padding."""
    return config["max_position_embeddings"] - (0 if config["model_type"] == BERT else config["pad_token_id"] + 1)


def problems_of_encoder(folder: Path, model: str, building: bool = False) -> list[str]:
    """Why the model in a directory cannot serve as a text encoder, as far as its small files show.

    UserError if config.json cannot be read. `model` is what messages call it; `building` says that trained models
    are built of it.
    """
    config = read_config(folder)
    problems = [encoder_problem(model, config), building_problem(model, config) if building else None]
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        names = ", ".join(TOKENIZER_FILES)
        problems.append(f"{folder} has no tokenizer ({names}); save it there with save_pretrained")
    return [problem for problem in problems if problem]


def require_encoder(folder: Path, model: str) -> None:
    """Raise UserError if the model in a directory cannot serve: as `problems_of_encoder`, and its tokenizer is loaded.

    `model` is what messages call it.
    """
    from transformers import AutoTokenizer

    if problems := problems_of_encoder(folder, model):
        raise UserError("; ".join(problems))
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{model}: not a readable tokenizer: {error}") from None
    if len(tokenizer) > (most := read_config(folder)["vocab_size"]):
        raise UserError(f"{model}: the tokenizer has {len(tokenizer)} tokens and the model {most}: they differ in kind")
