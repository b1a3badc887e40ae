"""Low-rank adapters (LoRA, by PEFT) of the layers of a language model, whose own weights are frozen."""

import re
from copy import copy
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from clinragen.config.train import Lora
from clinragen.errors import UserError
from clinragen.registry.language_models import LINEAR_LAYERS, adapters_problem

MARK = ".lora_"
"""Part of the name of every weight of an adapter, and of no other weight."""


def add_adapters(model: PreTrainedModel, lora: Lora) -> None:
    """Freeze a model and add new adapters to its layers, in full precision whatever the precision of the model.

    UserError where it lacks a layer.
    """
    # Importing it takes a second, which other trainings are spared.
    from peft import LoraConfig

    kind = model.config.model_type
    if problem := adapters_problem("the language model", kind, [] if lora.modules == "all" else lora.modules):
        raise UserError(problem)
    layers = LINEAR_LAYERS[kind] if lora.modules == "all" else lora.modules
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # any number, although PEFT declares an int
        lora_dropout=lora.dropout,
        # A pattern, because PEFT stores a list as a set, in another order each time.
        target_modules=rf".*\.({'|'.join(map(re.escape, layers))})",
    )
    model.add_adapter(config)
    # PEFT would look up a name on the hub on saving, and a local path would be meaningless elsewhere.
    config.base_model_name_or_path = None
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def save_adapters(model: PreTrainedModel, directory: Path, source: str, commit: str | None) -> None:
    """Write the adapters in PEFT's format, with the name and the commit of the model that they belong to."""
    model.save_pretrained(directory)
    (config,) = model.peft_config.values()
    named: Any = copy(config)
    named.base_model_name_or_path, named.revision = source, commit
    named.save_pretrained(directory)


def load_adapters(model: PreTrainedModel, directory: Path) -> None:
    """Add the adapters that `save_adapters` wrote to the layers of their model."""
    model.load_adapter(str(directory))
