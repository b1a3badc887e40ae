"""Low-rank adapters (LoRA, by PEFT) beside the layers of a language model whose own weights stay as they are."""

import re
from copy import copy
from pathlib import Path

from transformers import PreTrainedModel

from clinragen.config.train import Lora
from clinragen.errors import UserError
from clinragen.registry.language_models import LINEAR_LAYERS, adapters_problem

MARK = ".lora_"
"""In the name of every weight of an adapter, and of no other."""


def add_adapters(model: PreTrainedModel, lora: Lora) -> None:
    """Freeze a model and put new adapters beside its layers, in full precision whatever its own weights are in.

    UserError where it lacks a layer.
    """
    # A second that no other training has to wait for.
    from peft import LoraConfig

    kind = model.config.model_type
    if problem := adapters_problem("the language model", kind, [] if lora.modules == "all" else lora.modules):
        raise UserError(problem)
    layers = LINEAR_LAYERS[kind] if lora.modules == "all" else lora.modules
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        # A pattern, because PEFT stores a list as a set, in another order each time.
        target_modules=rf".*\.({'|'.join(map(re.escape, layers))})",
    )
    model.add_adapter(config)
    # Not a directory of ours, and no name yet either: on saving, PEFT would look that up on the hub.
    config.base_model_name_or_path = None
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def save_adapters(model: PreTrainedModel, folder: Path, source: str, commit: str | None) -> None:
    """Write the adapters in PEFT's own form, with the name and the commit of the model that they belong to."""
    model.save_pretrained(folder)
    (config,) = model.peft_config.values()
    named = copy(config)
    named.base_model_name_or_path, named.revision = source, commit
    named.save_pretrained(folder)


def load_adapters(model: PreTrainedModel, folder: Path) -> None:
    """Put the adapters that `save_adapters` wrote into a folder beside the layers of their model."""
    model.load_adapter(str(folder))
