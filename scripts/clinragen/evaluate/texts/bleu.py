"""BLEU of rationales against the teacher's, by sacrebleu: of a corpus, and of each sample as the released code has it.

The released code takes the mean of one BLEU per sample: 13a tokens, up to four words, case kept, no smoothing. A pair
without a common sequence of four words then has 0.
"""

import logging
from functools import cache

import numpy as np
from sacrebleu.metrics import BLEU

ORDER = 4
# What is summed over a corpus: common sequences of 1 to 4 words, sequences of the text, words of text and reference.
TERMS = 2 * ORDER + 2


@cache
def _corpus() -> BLEU:
    """As sacrebleu's command line computes it."""
    return BLEU()


@cache
def _per_sample() -> BLEU:
    # Of every sentence it would say that another setting is recommended.
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)
    return BLEU(tokenize="13a", smooth_method="none", effective_order=False)


def signature() -> str:
    """What identifies the corpus BLEU, in sacrebleu's words."""
    _corpus().corpus_score(["x"], [["x"]])
    return str(_corpus().get_signature())


def sample_bleu(text: str, reference: str) -> tuple[float, np.ndarray]:
    """BLEU of one text, 0 to 1, and what it adds to the sums of a corpus [TERMS]; an empty text has 0."""
    found = _per_sample().sentence_score(text, [reference])
    value = found.score / 100 if text.strip() else 0.0
    return value, np.array([*found.counts, *found.totals, found.sys_len, found.ref_len], dtype=float)


def corpus_bleu(sums: np.ndarray) -> np.ndarray:
    """Corpus BLEU, 0 to 1, of sums [..., TERMS]; NaN without a reference.

    As `BLEU.compute_bleu` of sacrebleu for many resamples at once, with its default smoothing: the k-th of the orders
    without a common sequence counts as 1 / 2^k of one (Chen and Cherry, 2014, method 3).
    """
    counts, totals = sums[..., :ORDER], sums[..., ORDER : 2 * ORDER]
    length, reference = sums[..., -2], sums[..., -1]
    absent = np.cumsum(counts == 0, axis=-1)
    smoothed = np.where(counts == 0, 0.5**absent, counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.log(smoothed / totals).mean(axis=-1)
        penalty = np.where(length < reference, 1 - reference / length, 0.0)
        value = np.exp(precision + penalty)
    # Nothing in common at all, or fewer words than the longest sequence.
    value = np.where((counts.max(axis=-1) > 0) & (totals.min(axis=-1) > 0), value, 0.0)
    return np.where(reference > 0, value, np.nan)
