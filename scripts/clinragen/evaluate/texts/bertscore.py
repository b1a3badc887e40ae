"""BERTScore of rationales against the teacher's (Zhang et al., 2020), with the encoding and matching of bert-score.

Two things differ from that library: loading, because it selects a model class by directory name, and the order of the
texts, because its order varies between processes and changes the last digits.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import torch
from bert_score.utils import get_bert_embedding, greedy_cos_idf
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from clinragen.config.evaluate import BertScore
from clinragen.errors import UserError
from clinragen.evaluate.texts.runs import PARTS, Cases, Texts, has_text
from clinragen.model.device import prepare_device
from clinragen.model.text_encoder import load_layers
from clinragen.registry.text_encoders import longest_text
from clinragen.runtime.progress import Progress
from clinragen.schemas.texts import BERTSCORES

log = logging.getLogger("bertscore")
DIGITS = 5
# Cases whose vectors are in memory at once; a case has about 70 texts over all runs, up to 2 MB each.
CASES_PER_BATCH = 32
EMPTY = (0.0, 0.0, 0.0)
Vectors = tuple[torch.Tensor, torch.Tensor]


class Scorer:
    """An encoder cut after a layer; each unique text of a call is encoded once."""

    cut: int
    """Texts so far that are longer than the encoder's limit."""

    def __init__(self, encoder: Path, settings: BertScore) -> None:
        """Load the encoder from a local directory; UserError if it is unreadable or has too few layers."""
        prepare_device(settings.device, "fp32", "evaluate.bertscore.device")
        self._model, self._tokenizer = _load(encoder, settings.layer)
        self._model.to(settings.device)  # type: ignore[arg-type]  # the annotation of transformers lacks `self`
        self._device, self._batch = settings.device, settings.batch
        # All tokens have the same weight, except the special tokens around a text.
        self._weights: dict[int, float] = defaultdict(lambda: 1.0)
        self._weights |= {self._tokenizer.sep_token_id: 0.0, self._tokenizer.cls_token_id: 0.0}
        self.cut = 0

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, float, float]]:
        """Return precision, recall and F1 of pairs of a text and its reference, all non-empty."""
        vectors = self._encode({text for pair in pairs for text in pair})
        scored: list[tuple[float, float, float]] = []
        for start in range(0, len(pairs), self._batch):
            texts, references = (
                self._padded([vectors[text] for text in side])
                for side in zip(*pairs[start : start + self._batch], strict=True)
            )
            scores = torch.stack(greedy_cos_idf(*references, *texts), dim=-1)
            scored += [tuple(round(value, DIGITS) for value in row) for row in scores.tolist()]
        return scored

    def _encode(self, texts: set[str]) -> dict[str, Vectors]:
        """Return the vectors [tokens, width] and token weights [tokens] of each text, encoded longest first."""
        lengths = {text: len(self._tokenizer(text)["input_ids"]) for text in texts}
        self.cut += sum(length > self._tokenizer.model_max_length for length in lengths.values())
        ordered = sorted(texts, key=lambda text: (-lengths[text], text))
        encoded: dict[str, Vectors] = {}
        for start in range(0, len(ordered), self._batch):
            batch = ordered[start : start + self._batch]
            arguments = (batch, self._model, self._tokenizer, self._weights)
            try:
                vectors, masks, weights = get_bert_embedding(*arguments, device=self._device)
            except torch.cuda.OutOfMemoryError:
                raise UserError("out of GPU memory; lower evaluate.bertscore.batch") from None
            for text, own, mask, weight in zip(batch, vectors.cpu(), masks.cpu(), weights.cpu(), strict=True):
                size = int(mask.sum())
                encoded[text] = own[:size].clone(), weight[:size]
        return encoded

    def _padded(self, texts: list[Vectors]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        vectors = pad_sequence([own for own, _ in texts], batch_first=True, padding_value=2.0)
        weights = pad_sequence([weight for _, weight in texts], batch_first=True)
        sizes = torch.tensor([len(own) for own, _ in texts])
        mask = torch.arange(vectors.shape[1]) < sizes[:, None]
        return vectors.to(self._device), mask.to(self._device), weights.to(self._device)


def _load(encoder: Path, layer: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load the layers up to this one, and a tokenizer with the encoder's length limit; uses no network."""
    model = load_layers(encoder)
    # bert-score passes this option per call for RoBERTa, where transformers 5 ignores it.
    tokenizer = AutoTokenizer.from_pretrained(encoder, local_files_only=True, add_prefix_space=True)
    if layer > model.config.num_hidden_layers:
        raise UserError(
            f"evaluate.bertscore.layer is {layer}, but {encoder} has {model.config.num_hidden_layers} layers; "
            "choose one of them"
        )
    model.encoder.layer = model.encoder.layer[:layer]  # type: ignore[union-attr, index]  # BERT and RoBERTa only
    # A tokenizer without a limit has a huge model_max_length.
    tokenizer.model_max_length = min(tokenizer.model_max_length, longest_text(model.config.to_dict()))
    return model.eval(), tokenizer


def bertscores(runs: Sequence[Texts], teacher: Texts, cases: Cases, scorer: Scorer) -> pa.Table:
    """Score each case, run and part for which the teacher wrote a text (BERTSCORES); 0 if the run wrote none."""
    rows = []
    with Progress("cases compared", len(cases.stays)) as bar:
        for start in range(0, len(cases.stays), CASES_PER_BATCH):
            batch = range(start, min(start + CASES_PER_BATCH, len(cases.stays)))
            pairs = list(_pairs(runs, teacher, cases, batch))
            written = [pair for _, pair in pairs if has_text(pair[0])]
            scores = iter(scorer.score(written) if written else [])
            for key, pair in pairs:
                values = next(scores) if has_text(pair[0]) else EMPTY
                rows.append(key | dict(zip(("precision", "recall", "f1"), values, strict=True)))
            bar.advance(len(batch))
    log.info("%d texts exceed the encoder's length limit; only their beginnings are compared", scorer.cut)
    return pa.Table.from_pylist(rows, schema=BERTSCORES.schema)


def _pairs(
    runs: Sequence[Texts], teacher: Texts, cases: Cases, batch: range
) -> Iterator[tuple[dict[str, object], tuple[str, str]]]:
    """Yield the key of each text of the cases at these indices, and the text with its reference."""
    for part in PARTS:
        references = teacher.part(part) or []
        for texts in runs:
            own = texts.part(part)
            if own is None:
                continue
            for case in batch:
                reference = references[case]
                if has_text(reference):
                    key = {"stay_id": cases.stays[case], "model": texts.model, "run": texts.run, "part": part}
                    yield key, (own[case] or "", reference)
