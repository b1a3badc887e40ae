"""Classifiers of the 25 phenotypes: something that reads, and a linear layer with a sigmoid for each phenotype."""

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


class SeriesReader(nn.Module):
    """PatchTST: the vectors of all channels side by side, for their order says which variable is which."""

    def __init__(self, settings: SeriesSettings, shape: Shape) -> None:
        super().__init__()
        self.shape, self.encoder = shape, SeriesEncoder(settings, shape.channels, shape.steps)
        self.width = shape.channels * settings.width
        self.tokens = shape.channels * self.encoder.patches
        """Vectors that it computes of a sample."""

    def forward(self, series: Tensor, steps: Tensor) -> Tensor:
        """Vectors [batch, width] of series [batch, steps, channels] with their own steps [batch]."""
        vectors, mask = (x.unflatten(1, (self.shape.channels, -1)) for x in self.encoder(series, steps))
        return ((vectors * mask[..., None]).sum(2) / mask.sum(2)[..., None]).flatten(1)


class LstmReader(nn.Module):
    """An LSTM over the steps of all channels, of which the state at a stay's own last step counts.

    Padding follows that step, so that no state that is read has seen any.
    """

    def __init__(self, settings: Lstm, shape: Shape) -> None:
        super().__init__()
        self.shape, self.width, self.tokens = shape, settings.width, shape.steps
        between = settings.dropout if settings.layers > 1 else 0.0
        self.lstm = nn.LSTM(shape.channels, settings.width, settings.layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, series: Tensor, steps: Tensor) -> Tensor:
        """Vectors [batch, width] of series [batch, steps, channels] with their own steps [batch]."""
        # bf16 has one number for a pH of 7.36 and of 7.38.
        with torch.autocast(series.device.type, enabled=False):
            states, _ = self.lstm(series.float())
        return self.dropout(states[torch.arange(len(states), device=states.device), steps - 1])


class NoteReader(nn.Module):
    """A text encoder such as BERT, of which the first vector or the mean of all stands for a note."""

    shape = None
    tokens = 0

    def __init__(self, encoder: PreTrainedModel, pooling: str) -> None:
        super().__init__()
        self.encoder, self.pooling, self.width = encoder, pooling, encoder.config.hidden_size

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Vectors [batch, width] of tokens [batch, length] and their mask."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.pooling == "first":
            return hidden[:, 0]
        return (hidden * attention_mask[..., None]).sum(1) / attention_mask.sum(1, keepdim=True)


class Classifier(nn.Module):
    """A reader and a linear layer; a phenotype is named where its probability is above `threshold`."""

    def __init__(self, settings: Reader, reader: nn.Module, phenotypes: list[str]) -> None:
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
        """Vectors that it computes of the series of a sample; 0 if it reads a note."""
        return self.reader.tokens

    def forward(self, *, labels: Tensor | None = None, **inputs: Tensor) -> Tensor:
        """Logits [batch, phenotypes]; inputs are series and steps, or input_ids and attention_mask."""
        return self.head(self.reader(**inputs)).float()

    def parameter_counts(self) -> dict[str, int]:
        """Parameters of each part."""
        return {name: sum(p.numel() for p in getattr(self, name).parameters()) for name in ("reader", "head")}

    def save(self, folder: Path, tokenizer: Any = None) -> None:
        """Write the classifier; `encoder/` is an ordinary transformers checkpoint with its tokenizer."""
        if tokenizer:
            self.reader.encoder.save_pretrained(folder / ENCODER)
            tokenizer.save_pretrained(folder / ENCODER)
        own = {k: v.contiguous() for k, v in self.state_dict().items() if not (tokenizer and k.startswith("reader."))}
        save_file(own, folder / WEIGHTS)
        facts = {
            "settings": self.settings.model_dump(mode="json"),
            "shape": vars(self.shape) if self.shape else None,
            "phenotypes": self.phenotypes,
            "threshold": self.threshold,
            "parameters": self.parameter_counts(),
        }
        (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Classifier":
        """Read a classifier; UserError for a checkpoint that cannot be read."""
        try:
            facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
            settings, shape = Reader(**facts["settings"]), Shape(**facts["shape"]) if facts["shape"] else None
            found = build_classifier(settings, shape, folder / ENCODER, facts["phenotypes"])
            own = load_file(folder / WEIGHTS)
            found.load_state_dict({**found.state_dict(), **own} if shape is None else own)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise UserError(f"{folder}: not a readable classifier: {error}; train it again") from None
        found.threshold = facts["threshold"]
        return found


def build_classifier(settings: Reader, shape: Shape | None, encoder: Path | None, phenotypes: list[str]) -> Classifier:
    """A new classifier: `shape` is that of the series, `encoder` the folder of a text encoder; uses no network."""
    match settings.method:
        case "patchtst":
            reader = SeriesReader(settings.series_encoder, shape)
        case "lstm":
            reader = LstmReader(settings.lstm, shape)
        case "encoder":
            reader = NoteReader(load_text_encoder(encoder), settings.pooling)
    return Classifier(settings, reader, phenotypes)


@torch.inference_mode()
def probabilities(
    classifier: Classifier,
    rows: list[Row],
    collate: Collate,
    size: int,
    advance: Callable[[int], None] = lambda n: None,
) -> Tensor:
    """Probability [samples, phenotypes] of each phenotype, on the processor; `size` samples at a time.

    `advance` is called with the number done.
    """
    device, found = next(classifier.parameters()).device, []
    for start in range(0, len(rows), size):
        batch = collate(rows[start : start + size])
        inputs = {k: v.to(device) for k, v in batch.items() if k not in ("labels", "sections")}
        found.append(torch.sigmoid(classifier(**inputs)).cpu())
        advance(len(found[-1]))
    return torch.cat(found) if found else torch.empty(0, len(classifier.phenotypes))
