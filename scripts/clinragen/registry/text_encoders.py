"""Text encoders: checks of their small files, without loading the weights."""

from pathlib import Path
from typing import Any

from clinragen.errors import UserError
from clinragen.registry.language_models import load_tokenizer, read_config

# By `model_type` in config.json. The first can be part of trained models; BERTScore uses either.
BERT = "bert"
TYPES = (BERT, "roberta")
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt")


def encoder_problem(model: str, config: dict[str, Any]) -> str | None:
    """Return why a model with this config.json cannot be a text encoder."""
    if config.get("model_type") not in TYPES:
        return f"{model} is of model_type {config.get('model_type')}; supported text encoders: {', '.join(TYPES)}"
    if not isinstance(config.get("max_position_embeddings"), int):
        return f"{model} has no maximum length; set max_position_embeddings in its config.json"
    return None


def building_problem(model: str, config: dict[str, Any]) -> str | None:
    """Return why a text encoder with this config.json cannot be part of a trained model."""
    kind = config.get("model_type")
    usable = kind == BERT or kind not in TYPES  # `encoder_problem` reports unknown types
    return None if usable else f"{model} is of model_type {kind}; trained models are built of {BERT} only"


def longest_text(config: dict[str, Any]) -> int:
    """Return the maximum length of a text in tokens, marks included.

    The positions of RoBERTa begin after that of its padding.
    """
    positions: int = config["max_position_embeddings"]
    return positions - (0 if config["model_type"] == BERT else config["pad_token_id"] + 1)


def problems_of_encoder(directory: Path, model: str, building: bool = False) -> list[str]:
    """Return why the model in a directory cannot be a text encoder, as far as its small files show.

    `model` is its name in messages; `building` says that it is part of trained models. UserError if config.json cannot
    be read.
    """
    config = read_config(directory)
    problems = [encoder_problem(model, config), building_problem(model, config) if building else None]
    if not any((directory / name).is_file() for name in TOKENIZER_FILES):
        names = ", ".join(TOKENIZER_FILES)
        problems.append(f"{directory} has no tokenizer ({names}); save it there with save_pretrained")
    return [problem for problem in problems if problem]


def require_encoder(directory: Path, model: str) -> None:
    """Raise UserError if the model in a directory cannot be a text encoder, or its tokenizer cannot be loaded.

    `model` is its name in messages.
    """
    if problems := problems_of_encoder(directory, model):
        raise UserError("; ".join(problems))
    load_tokenizer(directory, model)
