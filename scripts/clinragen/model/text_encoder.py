"""Text encoders, without the heads on their last layer."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import BertModel, PreTrainedModel, RobertaModel

from clinragen.errors import UserError
from clinragen.registry.language_models import read_config
from clinragen.registry.text_encoders import building_problem, encoder_problem


class _Bert(BertModel):
    """A BERT; a pooling layer and the heads of its pre-training in the checkpoint are ignored."""

    # A list, as transformers declares it.
    _keys_to_ignore_on_load_unexpected = [r"^cls\.", r"(^|\.)pooler\."]  # noqa: RUF012


class _Roberta(RobertaModel):
    """A RoBERTa, likewise."""

    _keys_to_ignore_on_load_unexpected = [r"^lm_head\.", r"(^|\.)pooler\.", r"position_ids$"]  # noqa: RUF012


def load_text_encoder(directory: Path) -> PreTrainedModel:
    """Return the layers of a BERT in a local directory, in full precision, to build other models; uses no network.

    UserError if it is unreadable, of another kind, or if weights are missing, which would silently be random.
    """
    if problem := building_problem(str(directory), read_config(directory)):
        raise UserError(problem)
    return load_layers(directory)


def load_layers(directory: Path) -> PreTrainedModel:
    """Return the layers of a BERT or a RoBERTa; see `load_text_encoder`."""
    config = read_config(directory)
    if problem := encoder_problem(str(directory), config):
        raise UserError(problem)
    kinds: dict[str, type[PreTrainedModel]] = {"bert": _Bert, "roberta": _Roberta}
    kind = kinds[config["model_type"]]
    try:
        pair: Any = kind.from_pretrained(
            directory, local_files_only=True, dtype=torch.float32, add_pooling_layer=False, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{directory}: not a readable text encoder: {error}; fetch it again") from None
    encoder, loaded = pair
    if missing := sorted(loaded["missing_keys"]):
        raise UserError(f"{directory}: weight {missing[0]} is missing, one of {len(missing)}; fetch it again")
    return encoder
