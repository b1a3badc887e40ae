"""BLEU: worked out by hand, and compared with sacrebleu."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU

from clinragen.evaluate.texts.bleu import ORDER, corpus_bleu, sample_bleu, signature

PAIRS = [
    ("Lab test shows that pH is lower than normal 3 times.", "Lab test shows that pH is lower than normal 2 times."),
    ("Based on the medical notes, fever & cough point to pneumonia.", "Based on the notes, cough points to pneumonia."),
    ("", "Lab test shows that all measured values were normal."),
    ("no disease", "Lab test shows that the heart rate is high."),
]


def test_a_sample_by_hand():
    """Of its 7, 6, 5 and 4 n-grams, 6, 5, 4 and 3 are in the reference, which is not longer."""
    value, terms = sample_bleu("the cat sat on the mat now", "the cat sat on the mat")
    assert value == pytest.approx((3 / 7) ** 0.25)
    assert terms.tolist() == [6, 5, 4, 3, 7, 6, 5, 4, 7, 6]
    # Shorter than the reference: exp(1 - 6 / 5); all its n-grams are common.
    assert sample_bleu("the cat sat on the", "the cat sat on the mat")[0] == pytest.approx(np.exp(1 - 6 / 5))


def test_a_sample_without_a_common_4_gram_and_an_empty_sample_have_0():
    assert sample_bleu("the cat sat off the mat", "the cat sat on the mat")[0] == 0
    assert sample_bleu("", "the cat sat on the mat")[0] == 0
    assert sample_bleu(" ", "the cat sat on the mat")[1].tolist() == [0] * 9 + [6]


def test_corpus_bleu_equals_sacrebleus_command_line(tmp_path):
    for name, side in (("text", 0), ("reference", 1)):
        (tmp_path / name).write_text("".join(f"{pair[side]}\n" for pair in PAIRS), encoding="utf-8")
    command = [sys.executable, "-m", "sacrebleu", tmp_path / "reference", "-i", tmp_path / "text", "-w", "9"]
    run = subprocess.run([*command, "-f", "json"], capture_output=True, text=True, check=True)
    printed = json.loads(run.stdout)
    sums = np.sum([sample_bleu(*pair)[1] for pair in PAIRS], axis=0)
    assert 100 * corpus_bleu(sums) == pytest.approx(printed["score"], abs=1e-8) and printed["score"] > 0
    assert signature() == printed["signature"]


@given(st.lists(st.tuples(*[st.integers(0, 9)] * ORDER), min_size=1, max_size=4), st.integers(0, 60))
def test_corpus_bleu_of_many_resamples_equals_sacrebleu(counts, reference):
    rows = []
    for common in counts:
        totals = [max(n, sum(common) - k) for k, n in enumerate(common)]
        rows.append([*common, *totals, totals[0], reference + 1])
    expected = [
        BLEU.compute_bleu(row[:ORDER], row[ORDER : 2 * ORDER], row[-2], row[-1], smooth_method="exp").score / 100
        for row in rows
    ]
    assert corpus_bleu(np.array(rows, dtype=float)).tolist() == pytest.approx(expected, abs=1e-12)


def test_without_a_reference_there_is_no_corpus_bleu():
    assert np.isnan(corpus_bleu(np.zeros(2 * ORDER + 2)))
