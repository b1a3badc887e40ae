"""Text encoders, without what stands on their last layer."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import BertModel, PreTrainedModel, RobertaModel

from clinragen.errors import UserError
from clinragen.registry.language_models import read_config
from clinragen.registry.text_encoders import building_problem, encoder_problem


class _Bert(BertModel):
    """A BERT whose checkpoint may have a pooling layer and heads of its pre-training, which are left out."""

    _keys_to_ignore_on_load_unexpected = (r"^cls\.", r"(^|\.)pooler\.")


class _Roberta(RobertaModel):
    """The same of a RoBERTa."""

    _keys_to_ignore_on_load_unexpected = (r"^lm_head\.", r"(^|\.)pooler\.", r"position_ids$")


def load_text_encoder(folder: Path) -> BertModel:
    """The layers of a BERT in a local directory, in full precision, of which other models are built; uses no network.

    UserError if it is unreadable, of another kind, or if weights are missing, which would silently be random.
    """
    if problem := building_problem(str(folder), read_config(folder)):
        raise UserError(problem)
    return load_layers(folder)


def load_layers(folder: Path) -> PreTrainedModel:
    """The same of a text encoder of either kind."""
    config = read_config(folder)
    if problem := encoder_problem(str(folder), config):
        raise UserError(problem)
    kind = {"bert": _Bert, "roberta": _Roberta}[config["model_type"]]
    try:
        encoder, loaded = kind.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32, add_pooling_layer=False, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{folder}: not a readable text encoder: {error}; fetch it again") from None
    if missing := sorted(loaded["missing_keys"]):
        raise UserError(f"{folder}: weight {missing[0]} is missing, one of {len(missing)}; fetch it again")
    return encoder
