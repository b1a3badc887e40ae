"""The student: a small language model that reads notes, captions, and lab series through an encoder."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from clinragen.config.student import Fusion, Read, SoftPromptKind, Texts
from clinragen.config.train import Lora
from clinragen.errors import UserError
from clinragen.model.adapters import MARK, add_adapters, load_adapters, save_adapters
from clinragen.model.backbone import Backbone, load_backbone
from clinragen.model.knowledge_attention import KnowledgeAttention, vocabulary_vectors
from clinragen.model.qformer import QFormer
from clinragen.model.series_encoder import SeriesEncoder
from clinragen.model.soft_prompts import PromptPair, SoftPrompts
from clinragen.registry.snapshot import read_source

INPUTS = (
    *("input_ids", "attention_mask", "caption_ids", "caption_mask", "series", "steps", "vectors"),
    *("numbers", "categories"),
)
TEXTS = {"note": ("input_ids", "attention_mask"), "captions": ("caption_ids", "caption_mask")}
PARTS = (
    *("backbone", "adapters", "encoder", "attention", "qformer", "projection", "identity"),
    *("soft_prompts", "prompt_pair"),
)
FACTS, OWN_PARTS, BACKBONE = "student.json", "parts.safetensors", "backbone"


@dataclass(frozen=True)
class Shape:
    """Shape parameters needed to rebuild a student: channels and steps of the series."""

    channels: int
    steps: int


@dataclass(frozen=True)
class Base:
    """The language model of a student that is saved as adapters alone."""

    source: str
    commit: str | None
    content: str
    """SHA-256 of its files (`registry.snapshot`)."""
    dtype: Literal["bfloat16", "float32"]
    """Precision to which its weights were rounded when the adapters learned."""

    @classmethod
    def of(cls, directory: Path, dtype: torch.dtype) -> "Base":
        """Return the one in a directory that a rule wrote; UserError if the directory does not name its source."""
        facts = read_source(directory)
        precision: Literal["bfloat16", "float32"] = "bfloat16" if dtype == torch.bfloat16 else "float32"
        return cls(facts["source"], facts.get("commit"), facts["content"], precision)


class Student(nn.Module):
    """A backbone and the parts that its row has: series encoder, attention, Q-Former or projection of the encoder's
    vectors, soft prompts (one per text, or a pair of them in front of encoder and decoder).

    `reads` lists what it reads of a sample, texts in their order.
    """

    def __init__(self, adapter: Backbone, texts: Texts, reads: tuple[Read, ...]) -> None:
        super().__init__()
        self.adapter, self.backbone = adapter, adapter.model
        self.texts, self.reads = texts, tuple(reads)
        self.fusion: Fusion | None = None
        self.encoder: SeriesEncoder | None = None
        self.attention: KnowledgeAttention | None = None
        self.qformer: QFormer | None = None
        self.projection: nn.Linear | None = None
        self.identity: nn.Embedding | None = None
        self.soft_prompts: SoftPrompts | None = None
        self.prompt_pair: PromptPair | None = None
        self.prompt_kind: SoftPromptKind = None
        self.shape: Shape | None = None
        self.frozen: set[str] = set()
        self.base: Base | None = None
        self.register_state_dict_post_hook(_without_base)
        self.register_state_dict_post_hook(lambda _module, state, *_: separate_shared_tensors(state))
        self.register_load_state_dict_post_hook(_need_no_base)

    def add_series_parts(
        self, fusion: Fusion, channels: int, steps: int, token_ids: list[int] | None, text_encoder: Path | None = None
    ) -> None:
        """Attach a new series encoder, and an attention over the backbone's embeddings of these tokens.

        Without tokens a linear projection replaces the attention; with a text encoder it follows a Q-Former built from
        the layers of that encoder.
        """
        embeddings = self.backbone.get_input_embeddings()
        vocabulary = None if token_ids is None else vocabulary_vectors(embeddings, token_ids)
        width = fusion.series_encoder.width
        qformer = QFormer.from_encoder(fusion.qformer, text_encoder, width) if text_encoder else None
        self._build_series_parts(fusion, channels, steps, vocabulary, qformer)
        if self.identity is not None and qformer is None:
            # As large as the embeddings around the lab tokens.
            words = embeddings.weight if vocabulary is None else vocabulary
            nn.init.normal_(self.identity.weight, std=float(words.std()))

    def _build_series_parts(
        self, fusion: Fusion, channels: int, steps: int, vocabulary: Tensor | None, qformer: QFormer | None = None
    ) -> None:
        self.fusion, self.shape = fusion, Shape(channels, steps)
        self.encoder = SeriesEncoder(fusion.series_encoder, channels, steps)
        self.qformer, own = qformer, fusion.series_encoder.width
        width = self.backbone.get_input_embeddings().weight.shape[1]
        if vocabulary is None:
            self.projection = nn.Linear(qformer.width if qformer else own, width)
        else:
            self.attention = KnowledgeAttention(fusion.attention, own, vocabulary)
        if fusion.variable_identity:
            # A lab token of a Q-Former represents no single variable, so the vectors that it reads are identified.
            self.identity = nn.Embedding(channels, own if qformer else width)

    def add_soft_prompts(self, kind: SoftPromptKind, length: int) -> None:
        """Attach a new soft prompt to each text that it reads, or a pair of them to encoder and decoder."""
        texts, words = tuple(name for name in self.reads if name in TEXTS), self.backbone.get_input_embeddings().weight
        self.prompt_kind = kind
        match kind:
            case "texts":
                self.soft_prompts = SoftPrompts(texts, length, words)
            case "reparametrised" | "conditional":
                self.prompt_pair = PromptPair(kind, length, words.shape[1])

    def add_adapters(self, lora: Lora, base: Base) -> None:
        """Attach new adapters to the backbone, which is `base`; its own weights are frozen and not saved."""
        add_adapters(self.backbone, lora)
        self.base = base

    def freeze(self, *parts: Literal["backbone", "encoder"]) -> None:
        """Freeze parts: no gradient, and always in evaluation mode."""
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
        """Number of tokens that represent the series of a sample; 0 if it reads none."""
        if "series" not in self.reads or self.encoder is None or self.shape is None:
            return 0
        return len(self.qformer.queries) if self.qformer else self.shape.channels * self.encoder.tokens

    def _embed(self, **inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the prompt [batch, prompts + lab tokens + tokens of texts + marks, d] of the language model, and its
        mask.
        """
        parts = [self._text(name, inputs) for name in self.reads if name in TEXTS]
        if self.fusion is not None and "series" in self.reads:
            first = 0 if self.fusion.lab_position == "prefix" else len(parts)
            parts.insert(first, self._labs(inputs))
        if self.prompt_pair:
            parts.insert(0, self._prompt(self.prompt_pair.encoder, inputs))
        tokens, masks = zip(*parts, strict=True)
        return self.adapter.prompt(torch.cat(tokens, 1), torch.cat(masks, 1))

    def _text(self, name: str, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        ids, mask = (inputs[part] for part in TEXTS[name])
        vectors = self.backbone.get_input_embeddings()(ids)
        return self.soft_prompts.before(name, vectors, mask) if self.soft_prompts else (vectors, mask)

    def _prompt(self, prompt: nn.Module, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        count = len(next(iter(inputs.values())))
        vectors = prompt(inputs, count).to(self.backbone.get_input_embeddings().weight.dtype)
        return vectors, torch.ones(vectors.shape[:2], dtype=torch.long, device=vectors.device)

    def _before_target(self, inputs: dict[str, Tensor]) -> Tensor | None:
        """Return the vectors [batch, n, d] that the language model reads before the target; None without a pair."""
        return self._prompt(self.prompt_pair.decoder, inputs)[0] if self.prompt_pair else None

    def _labs(self, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        assert self.encoder is not None
        project = self.attention or self.projection
        assert project is not None
        if "vectors" in inputs:
            vectors = inputs["vectors"]
            mask = torch.ones(vectors.shape[:2], dtype=torch.long, device=vectors.device)
        else:
            vectors, mask = self.encoder(inputs["series"], inputs["steps"])
        if self.qformer is not None:
            labs = project(self.qformer(self._identified(vectors, self.encoder.tokens), mask))
            mask = mask.new_ones(labs.shape[:2])
        else:
            labs = self._identified(project(vectors), self.encoder.tokens)
        return labs.to(self.backbone.get_input_embeddings().weight.dtype), mask

    def _identified(self, vectors: Tensor, tokens: int) -> Tensor:
        """Add the vector of each one's channel to vectors [batch, channels x tokens, d]."""
        if self.identity is None:
            return vectors
        return vectors + self.identity.weight.repeat_interleave(tokens, 0)

    def forward(self, *, labels: Tensor, **inputs: Tensor) -> Tensor:
        """Return the logits [batch, length, vocabulary] of each token of the target, given those before it.

        `labels` are [batch, length]. Inputs are those of INPUTS that the student reads: input_ids and attention_mask
        [batch, note tokens]; caption_ids and caption_mask [batch, caption tokens]; series [batch, steps, channels] and
        steps [batch], the number that are not padding; or vectors [batch, channels, width], the output of a frozen
        encoder for the series; numbers and categories [batch, features].
        """
        return self.adapter.logits(*self._embed(**inputs), labels, self._before_target(inputs))

    @torch.inference_mode()
    def generate(self, batch: dict[str, Tensor], **options: Any) -> Tensor:
        """Return the ids [batch, length] of the tokens that the student writes, padding after its end mark."""
        inputs = {name: batch[name] for name in INPUTS if name in batch}
        return self.adapter.generate(*self._embed(**inputs), self._before_target(inputs), **options)

    def parameter_counts(self, trained: bool = False) -> dict[str, int]:
        """Count the parameters of each part, or only the trained ones; buffers do not count."""
        counts: Counter[str] = Counter()
        for name, parameter in self.named_parameters():
            part = "adapters" if MARK in name else name.split(".")[0]
            counts[part] += parameter.numel() * (parameter.requires_grad or not trained)
        return {part: counts[part] for part in PARTS if part in counts}

    def save(self, directory: Path, tokenizer: Any) -> None:
        """Write the student; `backbone/` is an ordinary checkpoint of transformers, or of PEFT, with its tokenizer."""
        if self.base:
            save_adapters(self.backbone, directory / BACKBONE, self.base.source, self.base.commit)
        else:
            self.backbone.save_pretrained(directory / BACKBONE)
        tokenizer.save_pretrained(directory / BACKBONE)
        own = {k: v.contiguous() for k, v in self.state_dict().items() if not k.startswith("backbone.")}
        if own:
            save_file(own, directory / OWN_PARTS)
        facts = {
            "reads": self.reads,
            "soft_prompts": self._prompt_facts(),
            "shape": vars(self.shape) if self.shape else None,
            "texts": self.texts.model_dump(mode="json"),
            "fusion": self.fusion.model_dump(mode="json") if self.fusion else None,
            "qformer": self.qformer.shape if self.qformer else None,
            "parameters": self.parameter_counts(),
            "trained": self.parameter_counts(trained=True),
            "base": asdict(self.base) if self.base else None,
        }
        (directory / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    def _prompt_facts(self) -> dict[str, Any] | None:
        prompts = self.soft_prompts or self.prompt_pair
        return {"kind": self.prompt_kind, "length": prompts.length} if prompts else None

    @classmethod
    def load(cls, directory: Path, reads: tuple[Read, ...] | None = None, base: Path | None = None) -> "Student":
        """Read a student, in full precision; `reads` overrides what it was saved with.

        `base` is the directory of the language model of a student that was saved as adapters. UserError for a
        checkpoint that cannot be read or does not fit its own description, or was trained with another model.
        """
        try:
            return cls._load(directory, reads, base)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise UserError(f"{directory}: not a readable student checkpoint: {error}; train it again") from None

    @classmethod
    def _load(cls, directory: Path, reads: tuple[Read, ...] | None, base: Path | None) -> "Student":
        facts = json.loads((directory / FACTS).read_text(encoding="utf-8"))
        texts, reads = Texts(**facts["texts"]), reads or facts["reads"]
        if facts["base"] is None:
            student = cls.from_backbone(directory / BACKBONE, texts, reads)
        else:
            student = cls._from_adapters(directory, texts, reads, base, Base(**facts["base"]))
        own = load_file(directory / OWN_PARTS) if facts["shape"] or facts["soft_prompts"] else {}
        if facts["shape"]:
            shape, fusion = Shape(**facts["shape"]), Fusion(**facts["fusion"])
            layers, width = facts["qformer"], fusion.series_encoder.width
            qformer = QFormer(fusion.qformer, layers, width) if layers else None
            student._build_series_parts(fusion, shape.channels, shape.steps, own.get("attention.vocabulary"), qformer)
        if facts["soft_prompts"]:
            student.add_soft_prompts(**facts["soft_prompts"])
        student.load_state_dict({**student.state_dict(), **own})
        return student

    @classmethod
    def _from_adapters(
        cls, directory: Path, texts: Texts, reads: tuple[Read, ...], base: Path | None, expected: Base
    ) -> "Student":
        if base is None:
            raise UserError(f"{directory}: holds adapters of {expected.source} alone; name the directory of that model")
        dtype = getattr(torch, expected.dtype)
        actual = Base.of(base, dtype)
        if actual.content != expected.content:
            raise UserError(
                f"{directory}: trained with {expected.source} at {expected.commit or 'its content then'}, but {base} "
                f"holds other weights ({actual.source} at {actual.commit or 'its content now'}); train it again"
            )
        student = cls.from_backbone(base, texts, reads, dtype).float()
        load_adapters(student.backbone, directory / BACKBONE)
        student.base = expected
        return student

    @classmethod
    def from_backbone(
        cls, directory: Path, texts: Texts, reads: tuple[Read, ...], dtype: torch.dtype = torch.float32
    ) -> "Student":
        """Return a student around a language model in a local directory; uses no network.

        UserError if the model is unreadable.
        """
        return cls(load_backbone(directory, dtype), texts, reads)


def separate_shared_tensors(state: dict[str, Tensor]) -> None:
    """Give every name a separate tensor: embeddings may be tied, and safetensors stores no shared memory."""
    seen: set[int] = set()
    for name, tensor in state.items():
        if tensor.data_ptr() in seen:
            state[name] = tensor.clone()
        seen.add(tensor.data_ptr())


def _of_base(name: str) -> bool:
    """Return whether a weight of a student with adapters belongs to the language model itself."""
    return name.startswith("backbone.") and MARK not in name


def _without_base(student: Student, state: dict[str, Tensor], _prefix: str, _metadata: dict) -> None:
    """Leave weights that never change out of checkpoints where only adapters learn."""
    for name in [name for name in state if student.base and _of_base(name)]:
        del state[name]


def _need_no_base(student: Student, keys: Any) -> None:
    """Do not report the weights of the language model as missing from such a checkpoint."""
    keys.missing_keys[:] = [name for name in keys.missing_keys if not (student.base and _of_base(name))]
