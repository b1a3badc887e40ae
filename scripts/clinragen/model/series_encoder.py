"""The time series encoder (TSE): PatchTST, one vector per channel."""

import torch
from torch import Tensor, nn
from transformers import PatchTSTConfig, PatchTSTModel

from clinragen.config.student import SeriesEncoder as Settings


class SeriesEncoder(nn.Module):
    """PatchTST over channels that do not see each other; the last patch represents the channel."""

    def __init__(self, settings: Settings, channels: int, steps: int) -> None:
        super().__init__()
        self.patchtst = PatchTSTModel(
            PatchTSTConfig(
                num_input_channels=channels,
                context_length=steps,
                patch_length=settings.patch,
                patch_stride=settings.patch,
                d_model=settings.width,
                num_hidden_layers=settings.layers,
                num_attention_heads=settings.heads,
                ffn_dim=settings.feed_forward,
                attention_dropout=settings.dropout,
                ff_dropout=settings.dropout,
                positional_dropout=settings.dropout,
                positional_encoding_type="random",
                # The series are scaled by the training part; scaling each one by itself would hide
                # that all of its values are high.
                scaling=None,
                use_cls_token=False,
                do_mask_input=False,
            )
        )

    def forward(self, series: Tensor) -> Tensor:
        """Series [batch, steps, channels] to vectors [batch, channels, width]."""
        # The encoder's batch norm is not stable in half precision.
        with torch.autocast(series.device.type, enabled=False):
            hidden = self.patchtst(past_values=series.float()).last_hidden_state
        return hidden[:, :, -1]
