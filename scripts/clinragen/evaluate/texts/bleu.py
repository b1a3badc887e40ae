"""BLEU of rationales against the teacher's, by sacrebleu: corpus BLEU, and BLEU per sample as in the released code.

The released code averages the BLEU of samples: 13a tokens, n-grams up to four words, case-sensitive, no smoothing. A
pair without a common 4-gram has 0.
"""

import logging
from functools import cache

import numpy as np
from sacrebleu.metrics import BLEU

ORDER = 4
# Sums over a corpus: common n-grams, n-grams of the text (n = 1 to 4), words of the text and of the reference.
TERMS = 2 * ORDER + 2


@cache
def _corpus() -> BLEU:
    """Return BLEU with the defaults of sacrebleu's command line."""
    return BLEU()


@cache
def _per_sample() -> BLEU:
    # Suppresses one warning per sentence that recommends other settings.
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)
    return BLEU(tokenize="13a", smooth_method="none", effective_order=False)


def signature() -> str:
    """Return sacrebleu's signature of the corpus BLEU."""
    _corpus().corpus_score(["x"], [["x"]])
    return str(_corpus().get_signature())


def sample_bleu(text: str, reference: str) -> tuple[float, np.ndarray]:
    """Return the BLEU of one text, 0 to 1, and its contribution to corpus sums [TERMS]; an empty text has 0."""
    score = _per_sample().sentence_score(text, [reference])
    value = score.score / 100 if text.strip() else 0.0
    return value, np.array([*score.counts, *score.totals, score.sys_len, score.ref_len], dtype=float)


def corpus_bleu(sums: np.ndarray) -> np.ndarray:
    """Return corpus BLEU [...], 0 to 1, from sums [..., TERMS]; NaN without a reference.

    Equals sacrebleu's `BLEU.compute_bleu`, for many resamples at once, with its default smoothing: the k-th order
    without a common n-gram counts 1 / 2^k (Chen and Cherry, 2014, method 3).
    """
    counts, totals = sums[..., :ORDER], sums[..., ORDER : 2 * ORDER]
    length, reference = sums[..., -2], sums[..., -1]
    absent = np.cumsum(counts == 0, axis=-1)
    smoothed = np.where(counts == 0, 0.5**absent, counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.log(smoothed / totals).mean(axis=-1)
        penalty = np.where(length < reference, 1 - reference / length, 0.0)
        value = np.exp(precision + penalty)
    # No common n-gram, or fewer words than the longest n-gram.
    value = np.where((counts.max(axis=-1) > 0) & (totals.min(axis=-1) > 0), value, 0.0)
    return np.where(reference > 0, value, np.nan)
