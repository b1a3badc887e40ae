"""Trainable language models: checks of their small files, without loading the weights."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from clinragen.config.student import Lengths
from clinragen.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Kind = Literal["seq2seq", "causal"]
# By `model_type` in config.json. The lists of transformers are not used: its causal one includes encoders such as BERT.
# tests/unit/test_model_backbone.py trains and decodes with a model of every type.
KINDS: dict[str, Kind] = {
    **dict.fromkeys(("t5", "mt5", "umt5"), "seq2seq"),
    **dict.fromkeys(("opt", "gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3"), "causal"),
}
# Linear layers within the blocks of each, at which adapters can be added; tests/unit/test_model_adapters.py compares
# them with the models.
_T5 = ("q", "k", "v", "o", "wi", "wi_0", "wi_1", "wo")
_LLAMA = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
LINEAR_LAYERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("t5", "mt5", "umt5"), _T5),
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3"), _LLAMA),
    "opt": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
    "gpt2": ("c_attn", "c_proj", "c_fc"),
    "gpt_neox": ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"),
}
NO_SAFETENSORS = (
    "has no weights in safetensors format: name a revision that has them (the hub converts many models in a pull "
    "request, refs/pr/<number>), or load the model elsewhere, save it with save_pretrained and name that directory"
)
GATED = "is gated: accept its licence on the hub, and export HF_TOKEN with the access token of that account"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json")
# Tokenizer classes without a default end mark.
PLAIN_TOKENIZERS = ("PreTrainedTokenizerFast", "TokenizersBackend")


def read_config(directory: Path) -> dict[str, Any]:
    """Return the config.json of a model; UserError if it cannot be read."""
    config = _read(directory / "config.json")
    if config is None:
        raise UserError(f"{directory}: not a readable language model: config.json; copy it again, or train it again")
    return config


def config_problem(model: str, config: dict[str, Any]) -> str | None:
    """Return why a model with this config.json cannot be trained."""
    model_type = config.get("model_type")
    if model_type not in KINDS:
        return f"{model} is of model_type {model_type}; supported: {', '.join(KINDS)}"
    if KINDS[model_type] == "seq2seq" and config.get("decoder_start_token_id") is None:
        return f"{model} has no start mark for its decoder; set decoder_start_token_id in its config.json"
    return None


def kind_of(directory: Path) -> Kind:
    """Return whether a model is an encoder-decoder or causal; UserError if it cannot be trained."""
    config = read_config(directory)
    if problem := config_problem(str(directory), config):
        raise UserError(problem)
    return KINDS[config["model_type"]]


def end_mark_problem(directory: Path) -> str | None:
    """Return why the tokenizer stored with a model cannot end a text.

    Files do not show every defect: many tokenizer classes have an end mark that no file names. The rule that fetches
    the model therefore also loads the tokenizer.
    """
    if not any((directory / name).is_file() for name in TOKENIZER_FILES):
        return f"{directory} has no tokenizer ({', '.join(TOKENIZER_FILES)}); save it there with save_pretrained"
    settings = _read(directory / "tokenizer_config.json") or {}
    named = settings | (_read(directory / "special_tokens_map.json") or {})
    no_default = "eos_token" in named or settings.get("tokenizer_class") in PLAIN_TOKENIZERS
    if no_default and not named.get("eos_token"):
        return f"the tokenizer in {directory} has no end mark; set eos_token in its tokenizer_config.json"
    return None


def positions_problem(model: str, config: dict[str, Any], lengths: Lengths) -> str | None:
    """Return why the longest prompt and target do not fit into a model with this config.json.

    Encoder-decoder models of the T5 family use relative positions and have no limit.
    """
    most = config.get("max_position_embeddings", config.get("n_positions"))
    if KINDS.get(config.get("model_type", "")) != "causal" or most is None or lengths.total <= most:
        return None
    excess = lengths.total - most
    return (
        f"{model} has {most} positions, but {lengths.total} are needed: {lengths.note} of a note "
        f"(student.texts.max_note_tokens), {lengths.target} of a target (the larger of student.texts.max_target_tokens "
        f"and evaluate.decoding.max_new_tokens), {lengths.labs} lab tokens, {lengths.prompts} vectors of soft prompts "
        f"and {lengths.marks} marks; set "
        f"max_note_tokens of its row in backbones to {lengths.note - excess} at most, or lower the others"
    )


def adapters_problem(model: str, model_type: str | None, modules: Sequence[str]) -> str | None:
    """Return why a model of this type cannot get adapters at layers of these names."""
    layers = LINEAR_LAYERS.get(model_type or "", ())
    if not layers or not (missing := [name for name in modules if name not in layers]):
        return None
    return (
        f"{model} is of model_type {model_type}, which has no layers {', '.join(missing)} (train.lora.modules), but "
        f"{', '.join(layers)}; set them or `all`, or use training joint for the rows with this model"
    )


def problems_of(directory: Path, model: str, lengths: Lengths, modules: Sequence[str] = ()) -> list[str]:
    """Return why the model in a directory cannot be trained, as far as its small files show.

    `model` is its name in messages, `modules` the layers that get adapters. UserError if config.json cannot be read.
    """
    config = read_config(directory)
    problems = (
        config_problem(model, config),
        end_mark_problem(directory),
        positions_problem(model, config, lengths),
        adapters_problem(model, config.get("model_type"), modules),
    )
    return [problem for problem in problems if problem]


def require_trainable(directory: Path, model: str, lengths: Lengths) -> None:
    """Raise UserError if the model in a directory cannot be trained: `problems_of`, or defects of its tokenizer."""
    from clinragen.registry.tokenizer import marks_of

    if problems := problems_of(directory, model, lengths):
        raise UserError("; ".join(problems))
    marks_of(load_tokenizer(directory, model))


def load_tokenizer(directory: Path, model: str) -> "PreTrainedTokenizerBase":
    """Load the tokenizer of a model; UserError if it cannot be read or has more tokens than the model."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{model}: not a readable tokenizer: {error}") from None
    tokenizer.name_or_path = model
    if len(tokenizer) > (most := read_config(directory)["vocab_size"]):
        raise UserError(
            f"{model}: the tokenizer has {len(tokenizer)} tokens but the model only {most}; use the tokenizer of this "
            "model"
        )
    return tokenizer


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
