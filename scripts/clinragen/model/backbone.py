"""The language models behind a student, one adapter per kind: everything that differs between encoder-decoder models
and models that continue a prompt.

An adapter lays out prompts and targets, pads them, and returns the logits of target tokens and the tokens that a model
writes. Student, loss and trainer do not depend on the kind.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from clinragen.errors import UserError
from clinragen.registry.language_models import KINDS, Kind, kind_of
from clinragen.registry.tokenizer import Marks, marks_of

IGNORED = -100
"""Label of padding, which only follows target tokens."""

if TYPE_CHECKING:

    class LanguageModel(PreTrainedModel):
        """What the language models of transformers have in common, which none of its classes declares."""

        prepare_decoder_input_ids_from_labels: Callable[[Tensor], Tensor]
        """Of encoder-decoder models only."""

        def generate(self, **options: Any) -> Tensor: ...

        def get_input_embeddings(self) -> nn.Embedding: ...


class Backbone(Protocol):
    """A language model that continues prompts given as vectors."""

    model: "LanguageModel"

    def __init__(self, model: "LanguageModel", marks: Marks) -> None: ...

    def prompt(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors [batch, length, d] and their mask as the model reads them, wherever there was padding."""

    def logits(self, prompt: Tensor, mask: Tensor, labels: Tensor, before: Tensor | None = None) -> Tensor:
        """Return the logits [batch, length, vocabulary] of each label [batch, length], given all that precedes it.

        `before` are vectors [batch, n, d] between prompt and targets, neither targets nor padding.
        """

    def generate(self, prompt: Tensor, mask: Tensor, before: Tensor | None = None, **options: Any) -> Tensor:
        """Return the ids [batch, length] of the tokens that the model writes; padding follows the end mark."""


class Seq2Seq:
    """T5 and its relatives: the prompt is encoded, the decoder writes from its own start token on."""

    def __init__(self, model: "LanguageModel", marks: Marks) -> None:
        self.model = model
        _forget_decoding(model, marks, decoder_start_token_id=model.config.decoder_start_token_id)

    def prompt(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        # Padding goes to the end, also past lab tokens that follow the note: distances count.
        return _sorted(inputs, mask, padding_last=True)

    def logits(self, prompt: Tensor, mask: Tensor, labels: Tensor, before: Tensor | None = None) -> Tensor:
        # Given labels, the model would compute its own loss.
        read = self.model.prepare_decoder_input_ids_from_labels(labels)
        if before is None:
            return self.model(inputs_embeds=prompt, attention_mask=mask, decoder_input_ids=read).logits
        vectors = torch.cat([before, self.model.get_decoder().get_input_embeddings()(read)], 1)
        logits = self.model(inputs_embeds=prompt, attention_mask=mask, decoder_inputs_embeds=vectors).logits
        return logits[:, before.shape[1] :]

    def generate(self, prompt: Tensor, mask: Tensor, before: Tensor | None = None, **options: Any) -> Tensor:
        if before is None:
            return self.model.generate(inputs_embeds=prompt, attention_mask=mask, **options)[:, 1:]
        # transformers lets a decoder begin with ids only. Start tokens are placeholders, whose vectors are replaced
        # whenever the beginning is read; later steps read the last token alone, because the rest is cached.
        start = self.model.config.decoder_start_token_id
        ids = torch.full((len(prompt), before.shape[1] + 1), start, device=prompt.device)

        def replace(_module: nn.Module, read: tuple[Tensor, ...], vectors: Tensor) -> Tensor:
            if read[0].shape[1] < ids.shape[1]:
                return vectors
            own = before.repeat_interleave(len(vectors) // len(before), 0)  # beams of a sample follow each other
            return torch.cat([own.to(vectors.dtype), vectors[:, before.shape[1] :]], 1)

        hook = self.model.get_decoder().get_input_embeddings().register_forward_hook(replace)
        try:
            written = self.model.generate(inputs_embeds=prompt, attention_mask=mask, decoder_input_ids=ids, **options)
        finally:
            hook.remove()
        return written[:, ids.shape[1] :]


class Causal:
    """OPT, Qwen2 and others that continue a prompt: [start mark] prompt, line break, target, end mark.

    Positions count from the first token that is not padding. The prompt is padded on its left in training too, so that
    targets begin at the same position. Vectors before the target follow the line break. A tokenizer's chat template is
    not used.
    """

    def __init__(self, model: "LanguageModel", marks: Marks) -> None:
        self.model, self.marks = model, marks
        _forget_decoding(model, marks)

    def prompt(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        start, line_break = (self._vectors(ids, inputs) for ids in (self.marks.start, self.marks.line_break))
        ones = (mask.new_ones(len(mask), vectors.shape[1]) for vectors in (start, line_break))
        inputs = torch.cat([start, inputs, line_break], 1)
        return _sorted(inputs, torch.cat([next(ones), mask, next(ones)], 1), padding_last=False)

    def logits(self, prompt: Tensor, mask: Tensor, labels: Tensor, before: Tensor | None = None) -> Tensor:
        prompt, mask = _followed(prompt, mask, before)
        # The last label is what the last position predicts; nothing follows it.
        known = labels[:, :-1] != IGNORED
        read = self.model.get_input_embeddings()(labels[:, :-1].where(known, self.marks.padding))
        mask = torch.cat([mask, known.to(mask.dtype)], 1)
        return self.model(
            inputs_embeds=torch.cat([prompt, read], 1),
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            use_cache=False,
            logits_to_keep=labels.shape[1],
        ).logits

    def generate(self, prompt: Tensor, mask: Tensor, before: Tensor | None = None, **options: Any) -> Tensor:
        prompt, mask = _followed(prompt, mask, before)
        return self.model.generate(inputs_embeds=prompt, attention_mask=mask, **options)

    def _vectors(self, ids: tuple[int, ...], like: Tensor) -> Tensor:
        """Return vectors [batch, ids, d] of these tokens."""
        vectors = self.model.get_input_embeddings()(torch.tensor(ids, dtype=torch.long, device=like.device))
        return vectors.to(like.dtype).expand(len(like), -1, -1)


ADAPTERS: dict[Kind, type[Backbone]] = {"seq2seq": Seq2Seq, "causal": Causal}
LOADERS = {"seq2seq": AutoModelForSeq2SeqLM, "causal": AutoModelForCausalLM}


def adapter_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Backbone:
    """Return the adapter of a language model; UserError if its tokenizer lacks a mark."""
    return ADAPTERS[KINDS[model.config.model_type]](cast("LanguageModel", model), marks_of(tokenizer))


def load_backbone(directory: Path, dtype: torch.dtype = torch.float32) -> Backbone:
    """Return the adapter of a language model in a local directory, its weights in this precision; uses no network.

    UserError if the model is unreadable or of a kind that cannot be trained, or if its tokenizer lacks a mark.
    """
    loader = LOADERS[kind_of(directory)]
    try:
        model = loader.from_pretrained(directory, local_files_only=True, dtype=dtype)
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{directory}: not a readable language model: {error}") from None
    return adapter_of(model, tokenizer)


def _forget_decoding(model: "LanguageModel", marks: Marks, **more: int) -> None:
    """Drop sampling, penalties and limits stored with a model, so that only the given options decide what it writes."""
    model.generation_config = GenerationConfig(eos_token_id=marks.end, pad_token_id=marks.padding, **more)


def _followed(prompt: Tensor, mask: Tensor, vectors: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the prompt [batch, length, d] and its mask with these vectors [batch, n, d] appended."""
    if vectors is None:
        return prompt, mask
    return torch.cat([prompt, vectors], 1), torch.cat([mask, mask.new_ones(vectors.shape[:2])], 1)


def _sorted(inputs: Tensor, mask: Tensor, padding_last: bool) -> tuple[Tensor, Tensor]:
    """Move all padding of vectors [batch, length, d] and mask to one side; the order of the others is kept."""
    order = mask.argsort(dim=1, descending=padding_last, stable=True)
    return inputs.gather(1, order[:, :, None].expand_as(inputs)), mask.gather(1, order)
