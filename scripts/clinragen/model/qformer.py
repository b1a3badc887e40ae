"""The Q-Former: learned queries that read the vectors of a series encoder, in layers initialised from a BERT."""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Blip2QFormerConfig, Blip2QFormerModel

from clinragen.config.student import QFormer as Settings
from clinragen.errors import UserError
from clinragen.model.text_encoder import load_text_encoder
from clinragen.registry.language_models import read_config

TYPE = "bert"
# Settings of the layers in the config.json of a BERT, which have the same names in a Q-Former's.
SHARED = (
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act"),
    *("hidden_dropout_prob", "attention_probs_dropout_prob", "layer_norm_eps", "initializer_range"),
)
# Names of a BERT's weights as a Q-Former calls them, whose feed-forward parts are those of the queries.
RENAMED = (
    (r"^embeddings\.LayerNorm\.", "layernorm."),
    (r"\.attention\.self\.", ".attention.attention."),
    (r"(\.\d+)\.(intermediate|output)\.", r"\1.\2_query."),
)
NOT_COPIED, NEW = "embeddings.", ".crossattention."


class QFormer(nn.Module):
    """BLIP-2's Q-Former without its texts: queries [n, width] attend to each other, and in some layers to vectors.

    `shape` are the values of SHARED of the BERT.
    """

    def __init__(self, settings: Settings, shape: dict[str, Any], series_width: int) -> None:
        super().__init__()
        self.shape, self.width = {name: shape[name] for name in SHARED}, int(shape["hidden_size"])
        config = Blip2QFormerConfig(
            **self.shape,
            cross_attention_frequency=settings.cross_attention_every,
            encoder_hidden_size=series_width,
            use_qformer_text_input=False,
        )
        self.queries = nn.Parameter(torch.empty(settings.queries, self.width))
        nn.init.normal_(self.queries, std=config.initializer_range)
        self.transformer = Blip2QFormerModel(config)

    @classmethod
    def from_encoder(cls, settings: Settings, directory: Path, series_width: int) -> "QFormer":
        """Return a Q-Former with the self-attention and feed-forward parts of the BERT in a local directory.

        Queries and cross-attention are new. UserError for a model that is unreadable or has other parts than a BERT.
        """
        kind = read_config(directory).get("model_type")
        if kind != TYPE:
            raise UserError(
                f"{directory}: is of model_type {kind}; a Q-Former is built from a {TYPE}: name one in encoders"
            )
        bert = load_text_encoder(directory)
        qformer = cls(settings, bert.config.to_dict(), series_width)
        copied = {_renamed(name): weight for name, weight in bert.state_dict().items()}
        copied = {name: weight for name, weight in copied.items() if not name.startswith(NOT_COPIED)}
        missing, unexpected = qformer.transformer.load_state_dict(copied, strict=False)
        if other := [name for name in missing if NEW not in name] + unexpected:
            raise UserError(
                f"{directory}: its layers differ from those of a BERT ({other[0]}); name another one in encoders"
            )
        return qformer

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Let queries [batch, n, width] read vectors [batch, length, series width]; mask 0 hides one."""
        queries = self.queries.expand(len(vectors), -1, -1)
        return self.transformer(
            query_embeds=queries, encoder_hidden_states=vectors, encoder_attention_mask=mask
        ).last_hidden_state


def _renamed(name: str) -> str:
    for pattern, new in RENAMED:
        name = re.sub(pattern, new, name)
    return name
