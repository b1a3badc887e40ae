"""The student: a small language model that reads notes and, through the KA attention, lab series."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from clinragen.config.student import Fusion, Texts
from clinragen.errors import UserError
from clinragen.model.backbone import Backbone, load_backbone
from clinragen.model.knowledge_attention import KnowledgeAttention, vocabulary_vectors
from clinragen.model.series_encoder import SeriesEncoder

Modality = Literal["notes", "labs", "both"]
INPUTS = ("input_ids", "attention_mask", "series", "steps", "vectors")
FACTS, SERIES_PARTS, BACKBONE = "student.json", "series.safetensors", "backbone"


@dataclass(frozen=True)
class Shape:
    """Shape parameters needed to rebuild a student: channels and steps of the series, size of the vocabulary."""

    channels: int
    steps: int
    vocabulary: int


class Student(nn.Module):
    """Backbone, series encoder and attention; `modality` says what it reads."""

    def __init__(self, adapter: Backbone, texts: Texts, modality: Modality) -> None:
        super().__init__()
        self.adapter, self.backbone = adapter, adapter.model
        self.texts, self.modality = texts, modality
        self.fusion: Fusion | None = None
        self.encoder: SeriesEncoder | None = None
        self.attention: KnowledgeAttention | None = None
        self.identity: nn.Embedding | None = None
        self.shape: Shape | None = None
        self.frozen: set[str] = set()
        self.register_state_dict_post_hook(_separate_shared_tensors)

    def add_series_parts(self, fusion: Fusion, channels: int, steps: int, token_ids: list[int]) -> None:
        """Attach a new series encoder, and an attention over the backbone's embeddings of these tokens."""
        vocabulary = vocabulary_vectors(self.backbone.get_input_embeddings(), token_ids)
        self._build_series_parts(fusion, channels, steps, vocabulary)
        if self.identity is not None:
            # As large as the words among which the lab tokens stand.
            nn.init.normal_(self.identity.weight, std=float(vocabulary.std()))

    def _build_series_parts(self, fusion: Fusion, channels: int, steps: int, vocabulary: Tensor) -> None:
        self.fusion, self.shape = fusion, Shape(channels, steps, len(vocabulary))
        self.encoder = SeriesEncoder(fusion.series_encoder, channels, steps)
        self.attention = KnowledgeAttention(fusion.attention, fusion.series_encoder.width, vocabulary)
        if fusion.variable_identity:
            self.identity = nn.Embedding(channels, vocabulary.shape[1])

    def freeze(self, *parts: Literal["backbone", "encoder"]) -> None:
        """Keep parts as they are: no gradient, and in evaluation mode."""
        self.frozen = set(parts)
        for name in parts:
            getattr(self, name).requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Student":
        super().train(mode)
        for name in self.frozen:
            getattr(self, name).eval()
        return self

    @property
    def lab_tokens(self) -> int:
        """Number of tokens that stand for the series of a sample; 0 if it reads none."""
        return self.shape.channels * self.encoder.tokens if self.modality != "notes" else 0

    def _embed(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        series: Tensor | None = None,
        steps: Tensor | None = None,
        vectors: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The prompt [batch, lab tokens + note tokens + marks, d] of the language model, and its mask."""
        tokens, masks = [], []
        if self.modality != "labs":
            tokens.append(self.backbone.get_input_embeddings()(input_ids))
            masks.append(attention_mask)
        if self.modality != "notes":
            if vectors is None:
                vectors, mask = self.encoder(series, steps)
            else:
                mask = torch.ones(vectors.shape[:2], dtype=torch.long, device=vectors.device)
            labs = self.attention(vectors)
            if self.identity is not None:
                labs = labs + self.identity.weight.repeat_interleave(self.encoder.tokens, 0)
            first = 0 if self.fusion.lab_position == "prefix" else len(tokens)
            tokens.insert(first, labs.to(self.backbone.get_input_embeddings().weight.dtype))
            masks.insert(first, mask)
        return self.adapter.prompt(torch.cat(tokens, 1), torch.cat(masks, 1))

    def forward(self, *, labels: Tensor, **inputs: Tensor) -> Tensor:
        """Logits [batch, length, vocabulary] of each token of the target, given those before it.

        `labels` are [batch, length]. Inputs are those of INPUTS that the student reads: input_ids and attention_mask
        [batch, note tokens]; series [batch, steps, channels] and steps [batch], how many are the stay's own, the rest
        being padding; or vectors [batch, channels, width], which a frozen encoder made of the series before.
        """
        return self.adapter.logits(*self._embed(**inputs), labels)

    @torch.inference_mode()
    def generate(self, batch: dict[str, Tensor], **options: Any) -> Tensor:
        """Ids [batch, length] of the tokens that the student writes, padding after its end mark."""
        inputs = {name: batch[name] for name in INPUTS if name in batch}
        return self.adapter.generate(*self._embed(**inputs), **options)

    def parameter_counts(self) -> dict[str, int]:
        """Parameters of each part, buffers left out."""
        parts = {name: getattr(self, name) for name in ("backbone", "encoder", "attention", "identity")}
        return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items() if part}

    def save(self, folder: Path, tokenizer: Any) -> None:
        """Write the student: `backbone/` is an ordinary transformers checkpoint with its tokenizer."""
        self.backbone.save_pretrained(folder / BACKBONE)
        tokenizer.save_pretrained(folder / BACKBONE)
        if self.shape:
            own = {k: v.contiguous() for k, v in self.state_dict().items() if not k.startswith("backbone.")}
            save_file(own, folder / SERIES_PARTS)
        facts = {
            "modality": self.modality,
            "shape": vars(self.shape) if self.shape else None,
            "texts": self.texts.model_dump(mode="json"),
            "fusion": self.fusion.model_dump(mode="json") if self.fusion else None,
            "parameters": self.parameter_counts(),
        }
        (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, modality: Modality | None = None) -> "Student":
        """Read a student; another modality than it was saved with may be asked for.

        UserError for a checkpoint that cannot be read or does not fit its own description.
        """
        try:
            return cls._load(folder, modality)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise UserError(f"{folder}: not a readable student checkpoint: {error}; train it again") from None

    @classmethod
    def _load(cls, folder: Path, modality: Modality | None) -> "Student":
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        student = cls.from_backbone(folder / BACKBONE, Texts(**facts["texts"]), modality or facts["modality"])
        if facts["shape"]:
            shape = Shape(**facts["shape"])
            own = load_file(folder / SERIES_PARTS)
            fusion = Fusion(**facts["fusion"])
            student._build_series_parts(fusion, shape.channels, shape.steps, own["attention.vocabulary"])
            student.load_state_dict({**student.state_dict(), **own})
        return student

    @classmethod
    def from_backbone(cls, folder: Path, texts: Texts, modality: Modality) -> "Student":
        """A student around a language model in a local directory; uses no network. UserError if it is unreadable."""
        return cls(load_backbone(folder), texts, modality)


def _separate_shared_tensors(_module: nn.Module, state: dict[str, Tensor], _prefix: str, _metadata: dict) -> None:
    """Give every name its own tensor: embeddings may be tied, and safetensors stores no shared memory."""
    seen: set[int] = set()
    for name, tensor in state.items():
        if tensor.data_ptr() in seen:
            state[name] = tensor.clone()
        seen.add(tensor.data_ptr())
