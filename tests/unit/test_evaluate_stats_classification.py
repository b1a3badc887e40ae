"""Precision, recall and F1 of many runs at once, as scikit-learn computes them one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from sklearn.metrics import precision_recall_fscore_support

from clinragen.evaluate.stats.classification import METRICS, averaged, by_phenotype

SHAPE = (2, 6, 4)  # runs, samples, phenotypes


@settings(max_examples=40)
@given(arrays(bool, SHAPE[1:]), arrays(bool, SHAPE))
def test_scikit_learn_finds_the_same_for_each_run(true, predicted):
    counts = (true & predicted).sum(axis=1), predicted.sum(axis=1), true.sum(axis=0)
    scores, each = averaged(*counts), by_phenotype(*counts)
    for run in range(SHAPE[0]):
        for average, found in (("micro", scores), ("macro", scores), (None, each)):
            values = precision_recall_fscore_support(true, predicted[run], average=average, zero_division=0)
            for metric, value in zip(METRICS, values, strict=False):
                ours = found[metric if average is None else (average, metric)]
                assert np.broadcast_to(ours, (2, *np.shape(ours)[1:]))[run] == pytest.approx(value, abs=1e-12)
