"""Classifiers of the 25 phenotypes: a reader, and a linear layer with a sigmoid for each phenotype."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from clinragen.config.classifiers import Lstm, Reader
from clinragen.config.student import SeriesEncoder as SeriesSettings
from clinragen.errors import UserError
from clinragen.model.inputs import Row
from clinragen.model.series_encoder import SeriesEncoder
from clinragen.model.student import Shape
from clinragen.model.text_encoder import load_text_encoder

FACTS, WEIGHTS, ENCODER = "classifier.json", "classifier.safetensors", "encoder"
Collate = Callable[[list[Row]], dict[str, Tensor]]


class ReaderModule(nn.Module):
    """What turns a sample into one vector [batch, width]."""

    width: int
    tokens: int = 0
    """Vectors that it computes of the series of a sample; 0 if it reads a note."""
    shape: Shape | None = None
    """Channels and steps of the series; None if it reads a note."""


class SeriesReader(ReaderModule):
    """PatchTST: the vectors of all channels concatenated, so that their order identifies the variables."""

    def __init__(self, settings: SeriesSettings, shape: Shape) -> None:
        super().__init__()
        self.shape, self.encoder = shape, SeriesEncoder(settings, shape.channels, shape.steps)
        self.channels, self.width = shape.channels, shape.channels * settings.width
        self.tokens = shape.channels * self.encoder.patches

    def forward(self, series: Tensor, steps: Tensor) -> Tensor:
        """Return vectors [batch, width] of series [batch, steps, channels] with their own steps [batch]."""
        vectors, mask = (x.unflatten(1, (self.channels, -1)) for x in self.encoder(series, steps))
        return ((vectors * mask[..., None]).sum(2) / mask.sum(2)[..., None]).flatten(1)


class LstmReader(ReaderModule):
    """An LSTM over the steps of all channels; its state at the last step that is not padding is read.

    Padding follows that step, so the state has not seen any.
    """

    def __init__(self, settings: Lstm, shape: Shape) -> None:
        super().__init__()
        self.shape, self.width, self.tokens = shape, settings.width, shape.steps
        between = settings.dropout if settings.layers > 1 else 0.0
        self.lstm = nn.LSTM(shape.channels, settings.width, settings.layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, series: Tensor, steps: Tensor) -> Tensor:
        """Return vectors [batch, width] of series [batch, steps, channels] with their own steps [batch]."""
        # bf16 has one number for a pH of 7.36 and of 7.38.
        with torch.autocast(series.device.type, enabled=False):
            states, _ = self.lstm(series.float())
        return self.dropout(states[torch.arange(len(states), device=states.device), steps - 1])


class NoteReader(ReaderModule):
    """A text encoder such as BERT; its first vector or the mean of all represents a note."""

    def __init__(self, encoder: PreTrainedModel, pooling: str) -> None:
        super().__init__()
        self.encoder, self.pooling, self.width = encoder, pooling, encoder.config.hidden_size

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return vectors [batch, width] of tokens [batch, length] and their mask."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.pooling == "first":
            return hidden[:, 0]
        return (hidden * attention_mask[..., None]).sum(1) / attention_mask.sum(1, keepdim=True)


class Classifier(nn.Module):
    """A reader and a linear layer; a phenotype is named where its probability is above `threshold`."""

    def __init__(self, settings: Reader, reader: ReaderModule, phenotypes: list[str]) -> None:
        super().__init__()
        self.settings, self.reader, self.phenotypes = settings, reader, phenotypes
        self.head = nn.Linear(reader.width, len(phenotypes))
        self.threshold = 0.5

    @property
    def shape(self) -> Shape | None:
        """Channels and steps of the series; None if it reads a note."""
        return self.reader.shape

    @property
    def lab_tokens(self) -> int:
        """Number of vectors that it computes of the series of a sample; 0 if it reads a note."""
        return self.reader.tokens

    def forward(self, *, labels: Tensor | None = None, **inputs: Tensor) -> Tensor:
        """Return logits [batch, phenotypes]; inputs are series and steps, or input_ids and attention_mask."""
        return self.head(self.reader(**inputs)).float()

    def parameter_counts(self) -> dict[str, int]:
        """Count the parameters of each part."""
        return {name: sum(p.numel() for p in getattr(self, name).parameters()) for name in ("reader", "head")}

    def save(self, directory: Path, tokenizer: Any = None) -> None:
        """Write the classifier; `encoder/`, of a note reader, is an ordinary transformers checkpoint with tokenizer."""
        if isinstance(self.reader, NoteReader):
            self.reader.encoder.save_pretrained(directory / ENCODER)
            tokenizer.save_pretrained(directory / ENCODER)
        apart = "reader." if isinstance(self.reader, NoteReader) else ()
        own = {name: value.contiguous() for name, value in self.state_dict().items() if not name.startswith(apart)}
        save_file(own, directory / WEIGHTS)
        facts = {
            "settings": self.settings.model_dump(mode="json"),
            "shape": vars(self.shape) if self.shape else None,
            "phenotypes": self.phenotypes,
            "threshold": self.threshold,
            "parameters": self.parameter_counts(),
        }
        (directory / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> "Classifier":
        """Read a classifier; UserError for a checkpoint that cannot be read."""
        try:
            facts = json.loads((directory / FACTS).read_text(encoding="utf-8"))
            settings, shape = Reader(**facts["settings"]), Shape(**facts["shape"]) if facts["shape"] else None
            classifier = build_classifier(settings, shape, directory / ENCODER, facts["phenotypes"])
            own = load_file(directory / WEIGHTS)
            classifier.load_state_dict({**classifier.state_dict(), **own} if shape is None else own)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise UserError(f"{directory}: not a readable classifier: {error}; train it again") from None
        classifier.threshold = facts["threshold"]
        return classifier


def build_classifier(settings: Reader, shape: Shape | None, encoder: Path | None, phenotypes: list[str]) -> Classifier:
    """Build a new classifier; uses no network.

    `shape` is that of the series, `encoder` the directory of a text encoder; each method needs one of them.
    """
    return Classifier(settings, _reader(settings, shape, encoder), phenotypes)


def _reader(settings: Reader, shape: Shape | None, encoder: Path | None) -> ReaderModule:
    if settings.method == "encoder":
        assert encoder is not None and settings.pooling is not None
        return NoteReader(load_text_encoder(encoder), settings.pooling)
    assert shape is not None
    if settings.method == "lstm":
        assert settings.lstm is not None
        return LstmReader(settings.lstm, shape)
    assert settings.series_encoder is not None
    return SeriesReader(settings.series_encoder, shape)


@torch.inference_mode()
def probabilities(
    classifier: Classifier,
    rows: list[Row],
    collate: Collate,
    size: int,
    advance: Callable[[int], None] = lambda n: None,
) -> Tensor:
    """Return the probability [samples, phenotypes] of each phenotype, on the CPU; `size` samples at a time.

    `advance` is called with the number done.
    """
    device, batches = next(classifier.parameters()).device, []
    for start in range(0, len(rows), size):
        batch = collate(rows[start : start + size])
        inputs = {k: v.to(device) for k, v in batch.items() if k not in ("labels", "sections")}
        batches.append(torch.sigmoid(classifier(**inputs)).cpu())
        advance(len(batches[-1]))
    return torch.cat(batches) if batches else torch.empty(0, len(classifier.phenotypes))
