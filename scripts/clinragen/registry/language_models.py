"""Language models that can be trained: what their own files say of them, read without loading them."""

import json
from collections.abc import Sequence
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
# Linear layers within the blocks of each, which adapters can be put beside; tests/unit/test_model_adapters.py compares
# them with the models themselves.
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
# Tokenizer classes without an end mark of their own.
PLAIN_TOKENIZERS = ("PreTrainedTokenizerFast", "TokenizersBackend")


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a model; UserError if it cannot be read."""
    config = _read(folder / "config.json")
    if config is None:
        raise UserError(f"{folder}: not a readable language model: config.json; copy it again, or train it again")
    return config


def config_problem(model: str, config: dict[str, Any]) -> str | None:
    """Why a model with this config.json cannot be trained."""
    model_type = config.get("model_type")
    if model_type not in KINDS:
        return f"{model} is of model_type {model_type}; supported: {', '.join(KINDS)}"
    if KINDS[model_type] == "seq2seq" and config.get("decoder_start_token_id") is None:
        return f"{model} does not say how its decoder begins; set decoder_start_token_id in its config.json"
    return None


def kind_of(folder: Path) -> Kind:
    """Whether a model reads with an encoder or continues its prompt; UserError if it cannot be trained."""
    config = read_config(folder)
    if problem := config_problem(str(folder), config):
        raise UserError(problem)
    return KINDS[config["model_type"]]


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
        f"and evaluate.decoding.max_new_tokens), {lengths.labs} lab tokens, {lengths.prompts} vectors of soft prompts "
        f"and {lengths.marks} marks; set "
        f"max_note_tokens of its row in backbones to {lengths.note - excess} at most, or lower the others"
    )


def adapters_problem(model: str, model_type: str | None, modules: Sequence[str]) -> str | None:
    """Why a model of this type cannot get adapters at layers of these names."""
    layers = LINEAR_LAYERS.get(model_type, ())
    if not layers or not (missing := [name for name in modules if name not in layers]):
        return None
    return (
        f"{model} is of model_type {model_type}, which has no layers {', '.join(missing)} (train.lora.modules), but "
        f"{', '.join(layers)}; set them or `all`, or train the rows with this model by joint"
    )


def problems_of(folder: Path, model: str, lengths: Lengths, modules: Sequence[str] = ()) -> list[str]:
    """Why the model in a directory cannot be trained, as far as its small files show; empty if nothing speaks against.

    UserError if config.json cannot be read. `model` is what messages call it, `modules` the layers at which it
    gets adapters.
    """
    config = read_config(folder)
    problems = (
        config_problem(model, config),
        end_mark_problem(folder),
        positions_problem(model, config, lengths),
        adapters_problem(model, config.get("model_type"), modules),
    )
    return [problem for problem in problems if problem]


def require_trainable(folder: Path, model: str, lengths: Lengths) -> None:
    """Raise UserError if the model in a directory cannot be trained: as `problems_of`, and its tokenizer is loaded."""
    from transformers import AutoTokenizer

    from clinragen.registry.tokenizer import marks_of

    if problems := problems_of(folder, model, lengths):
        raise UserError("; ".join(problems))
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{model}: not a readable tokenizer: {error}") from None
    tokenizer.name_or_path = model
    marks_of(tokenizer)
    if len(tokenizer) > (most := read_config(folder)["vocab_size"]):
        raise UserError(f"{model}: the tokenizer has {len(tokenizer)} tokens and the model {most}: they differ in kind")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
