"""The time series encoder (TSE): PatchTST over patches of a channel, and the tokens that represent the channel."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PatchTSTConfig, PatchTSTModel
from transformers.models.patchtst.modeling_patchtst import PatchTSTAttention

from clinragen.config.student import SeriesEncoder as Settings


class SeriesEncoder(nn.Module):
    """PatchTST over channels that do not see each other and share all weights.

    Series are padded to a common number of steps; `own_steps` is the number of steps that are not padding.
    """

    def __init__(self, settings: Settings, channels: int, steps: int) -> None:
        super().__init__()
        self.settings = settings
        config = PatchTSTConfig(
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
            positional_encoding_type="sincos" if settings.positions == "sincos" else "random",
            norm_type=f"{settings.norm}norm",
            # The series are scaled by the training split; scaling each one by itself would hide that all of its values
            # are high.
            scaling=None,
            use_cls_token=False,
            do_mask_input=False,
            # Eager attention would add the boolean mask to the scores, and hide nothing.
            attn_implementation="sdpa",  # type: ignore[call-arg]  # PatchTSTConfig passes it on to its base class
        )
        self.patchtst = PatchTSTModel(config)
        self.patches = steps // settings.patch
        self.tokens = self.patches if settings.token == "all" else 1
        """Tokens per channel."""
        if settings.positions == "zero":
            nn.init.zeros_(self.patchtst.encoder.positional_encoder.position_enc)
        self._mask: Tensor | None = None
        for module in self.patchtst.encoder.layers.modules():
            # transformers' PatchTST hides no patches, but its attention can.
            if isinstance(module, PatchTSTAttention):
                module.register_forward_pre_hook(self._hide_padding, with_kwargs=True)

    def forward(self, series: Tensor, own_steps: Tensor) -> tuple[Tensor, Tensor]:
        """Encode series [batch, steps, channels] with their own steps [batch] as [batch, channels x tokens, width].

        The tokens of a channel are consecutive; the second result, their mask, is 0 for patches of padding.
        """
        batch, steps, channels = series.shape
        # The last patch of a stay may be padded in part, but holds at least one step that is not padding.
        last = (own_steps.clamp(1, steps) - 1) // self.settings.patch
        own = torch.arange(self.patches, device=series.device) <= last[:, None]
        if self._only_own_patches_count():
            own = own[:, : int(last.max()) + 1]
        if self.settings.mask_padding:
            self._mask = own.repeat_interleave(channels, 0)[:, None, None]
        hidden = self._encode(series.float(), own.shape[1])
        self._mask = None
        match self.settings.token:
            case "all":
                return hidden.flatten(1, 2), own.long().repeat(1, channels)
            case "last":
                vectors = hidden[:, :, -1]
            case "last_of_stay":
                vectors = hidden[torch.arange(batch, device=series.device), :, last]
            case "mean_of_stay":
                vectors = (hidden * own[:, None, :, None]).sum(2) / own.sum(1)[:, None, None]
        return vectors, torch.ones(batch, channels, dtype=torch.long, device=series.device)

    def _only_own_patches_count(self) -> bool:
        """Return whether patches of padding change no result, so that those after the longest stay can be left out.

        A batch norm that learns counts them in its statistics.
        """
        unread = self.settings.mask_padding and self.settings.token in ("last_of_stay", "mean_of_stay")
        return unread and not (self.training and self.settings.norm == "batch")

    def _encode(self, series: Tensor, patches: int) -> Tensor:
        """Return hidden vectors [batch, channels, patches, width] of the first patches, also in fp32 under autocast.

        This is what PatchTSTModel computes. Under autocast its linear layers and its attention are in half precision,
        but the residual sums and norms stay in fp32, because they start in fp32.
        """
        encoder = self.patchtst.encoder
        # bf16 has one number for a pH of 7.36 and of 7.38, so values are embedded in fp32.
        with torch.autocast(series.device.type, enabled=False):
            hidden = encoder.positional_encoder(encoder.embedder(self.patchtst.patchifier(series)))
        hidden = hidden[:, :, :patches].contiguous()
        for layer in encoder.layers:
            (hidden,) = layer(hidden_state=hidden)
        return hidden

    def _hide_padding(self, _attention: nn.Module, arguments: tuple, named: dict[str, Any]) -> tuple[tuple, dict]:
        return arguments, named if self._mask is None else named | {"attention_mask": self._mask}
