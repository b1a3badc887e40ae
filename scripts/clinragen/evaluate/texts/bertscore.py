"""BERTScore of rationales against the teacher's (Zhang et al., 2020), by the library bert-score.

Encoding and matching are the library's. Loading is done here: it would choose a class by the name of the directory.
So is the order: the library's depends on the process, which would change last digits from run to run.
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
# Cases whose vectors are in memory at once: a case of all runs is some 70 texts of up to 2 MB each.
CASES_TOGETHER = 32
EMPTY = (0.0, 0.0, 0.0)
Vectors = tuple[torch.Tensor, torch.Tensor]


class Scorer:
    """An encoder up to a layer; each unique text of a call is encoded once."""

    def __init__(self, folder: Path, settings: BertScore) -> None:
        """Load the encoder from a local directory; UserError if it is unreadable or has fewer layers."""
        prepare_device(settings.device, "fp32", "evaluate.bertscore.device")
        self._model, self._tokenizer = _load(folder, settings.layer)
        self._model.to(settings.device)
        self._device, self._batch = settings.device, settings.batch
        # Every token counts alike, except for the marks around a text.
        self._weights: dict[int, float] = defaultdict(lambda: 1.0)
        self._weights |= {self._tokenizer.sep_token_id: 0.0, self._tokenizer.cls_token_id: 0.0}
        self.cut = 0

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, float, float]]:
        """Precision, recall and F1 of pairs of a text and its reference, none of which is empty."""
        vectors = self._encode({text for pair in pairs for text in pair})
        found = []
        for start in range(0, len(pairs), self._batch):
            texts, references = (
                self._padded([vectors[text] for text in side])
                for side in zip(*pairs[start : start + self._batch], strict=True)
            )
            scores = torch.stack(greedy_cos_idf(*references, *texts), dim=-1)
            found += [tuple(round(value, DIGITS) for value in row) for row in scores.tolist()]
        return found

    def _encode(self, texts: set[str]) -> dict[str, Vectors]:
        """Vectors [tokens, width] of each text, and the weights of its tokens; long texts first."""
        lengths = {text: len(self._tokenizer(text)["input_ids"]) for text in texts}
        self.cut += sum(length > self._tokenizer.model_max_length for length in lengths.values())
        ordered, found = sorted(texts, key=lambda text: (-lengths[text], text)), {}
        for start in range(0, len(ordered), self._batch):
            batch = ordered[start : start + self._batch]
            arguments = (batch, self._model, self._tokenizer, self._weights)
            try:
                vectors, masks, weights = get_bert_embedding(*arguments, device=self._device)
            except torch.cuda.OutOfMemoryError:
                raise UserError("out of GPU memory; lower evaluate.bertscore.batch") from None
            for text, own, mask, weight in zip(batch, vectors.cpu(), masks.cpu(), weights.cpu(), strict=True):
                size = int(mask.sum())
                found[text] = own[:size].clone(), weight[:size]
        return found

    def _padded(self, texts: list[Vectors]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        vectors = pad_sequence([own for own, _ in texts], batch_first=True, padding_value=2.0)
        weights = pad_sequence([weight for _, weight in texts], batch_first=True)
        sizes = torch.tensor([len(own) for own, _ in texts])
        mask = torch.arange(vectors.shape[1]) < sizes[:, None]
        return vectors.to(self._device), mask.to(self._device), weights.to(self._device)


def _load(folder: Path, layer: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The layers up to this one, and a tokenizer that knows how long a text may be; uses no network."""
    model = load_layers(folder)
    # The library asks for a space before the first word of a text of RoBERTa, which transformers 5 no longer hears.
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, add_prefix_space=True)
    if layer > model.config.num_hidden_layers:
        raise UserError(
            f"evaluate.bertscore.layer is {layer}, but {folder} has {model.config.num_hidden_layers} layers; "
            "choose one of them"
        )
    model.encoder.layer = model.encoder.layer[:layer]
    # A tokenizer without a limit says so by a number that no memory holds.
    tokenizer.model_max_length = min(tokenizer.model_max_length, longest_text(model.config.to_dict()))
    return model.eval(), tokenizer


def bertscores(runs: Sequence[Texts], teacher: Texts, cases: Cases, scorer: Scorer) -> pa.Table:
    """A score per case, run and part (BERTSCORES) wherever the teacher wrote a text; 0 where the run did not."""
    rows = []
    with Progress("cases compared", len(cases.stays)) as bar:
        for start in range(0, len(cases.stays), CASES_TOGETHER):
            places = range(start, min(start + CASES_TOGETHER, len(cases.stays)))
            pairs = list(_pairs(runs, teacher, cases, places))
            whole = [pair[-1] for pair in pairs if has_text(pair[-1][0])]
            scores = iter(scorer.score(whole) if whole else [])
            for key, pair in pairs:
                found = next(scores) if has_text(pair[0]) else EMPTY
                rows.append(key | dict(zip(("precision", "recall", "f1"), found, strict=True)))
            bar.advance(len(places))
    log.info("%d texts are longer than the encoder takes: their ends are not compared", scorer.cut)
    return pa.Table.from_pylist(rows, schema=BERTSCORES.schema)


def _pairs(
    runs: Sequence[Texts], teacher: Texts, cases: Cases, places: range
) -> Iterator[tuple[dict[str, object], tuple[str, str]]]:
    """Whose text it is, and the text with its reference."""
    for part in PARTS:
        references = teacher.part(part)
        for texts in runs:
            own = texts.part(part)
            for place in places if own is not None else ():
                if has_text(references[place]):
                    key = {"stay_id": cases.stays[place], "model": texts.model, "run": texts.run, "part": part}
                    yield key, (own[place] or "", references[place])
