"""Micro-batches that fit into memory; an error above a number of tokens simulates a GPU that is too small."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_student import CHANNELS, LAUNCH, STEPS, files, student, tokenizer, write_tables

from clinragen.errors import UserError
from clinragen.model.inputs import Collator, read_samples
from clinragen.train.batches import Sizes, Steps, divide
from clinragen.train.loss import token_losses
from clinragen.train.memory import fit
from clinragen.train.trainer import MOST_TOKENS, _keep, _kept, _out_of_memory


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("memory"), train=24)


def steps_over(tables, most_tokens: int = 10**6) -> Steps:
    rows = read_samples(files(tables), "train")
    collate, sizes = Collator(tokenizer(), STEPS), Sizes(rows, CHANNELS)
    options = {"batch": 8, "seed": 1, "shuffled": True, "process": 0, "processes": 1}
    return Steps(rows, sizes, collate, most_tokens=most_tokens, **options)


def gpu_of(tokens: int, steps: Steps, model) -> list[int]:
    """Fit to a GPU that holds a number of tokens; return the sizes that were tried."""
    tried = []

    def run(part):
        tried.append(steps.sizes.padded(part))
        if tried[-1] > tokens:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        batch = steps.collated(part)
        del batch["sections"]
        token_losses(model(**batch), batch["labels"]).sum().backward()

    fit(steps, model, torch.device("cpu"), run)
    return tried


def test_what_fits_is_left_as_it_is(tables):
    steps = steps_over(tables)
    tried = gpu_of(10**6, steps, student().train())
    assert steps.most_tokens == 10**6 and tried == [steps.sizes.padded(part) for part in steps.largest()]


@pytest.mark.parametrize("tokens", [400, 200, 100])
def test_a_smaller_gpu_halves_the_micro_batches_and_the_batch_stays(tables, tokens):
    steps = steps_over(tables)
    whole = [[len(part["labels"]) for part in steps[i]] for i in range(len(steps))]
    gpu_of(tokens, steps, student().train())
    divided = [[len(part["labels"]) for part in steps[i]] for i in range(len(steps))]
    assert whole == [[8]] * 3 and [sum(parts) for parts in divided] == [8] * 3 and max(map(len, divided)) > 1
    assert all(steps.sizes.padded(part) <= tokens for part in steps.largest())
    for i in range(len(steps)):
        for part in steps[i]:
            padded = part["labels"].numel() + part["input_ids"].numel() + CHANNELS * len(part["labels"])
            assert padded <= tokens


def test_no_trace_of_the_trial_is_left(tables):
    steps, model = steps_over(tables), student().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.random.get_rng_state()
    gpu_of(200, steps, model)
    assert torch.equal(random, torch.random.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_one_sample_that_does_not_fit_is_an_error_with_the_remedies(tables):
    with pytest.raises(UserError, match=r"does not suffice for one sample of \d+ tokens: shorten student\.texts"):
        gpu_of(10, steps_over(tables), student().train())


def test_the_largest_have_most_tokens_most_samples_or_most_positions_of_targets(tables):
    rows = [dict(row) for row in read_samples(replace(files(tables), series=[]), "train")]
    for i, row in enumerate(rows):
        note, target = (40, 4) if i < 8 else (4, 30) if i < 16 else (2, 2)
        row |= {"input_ids": np.zeros(note, np.int32), "labels": np.zeros(target, np.int32), "length": note + target}
    collate, options = Collator(tokenizer(), None), {"batch": 8, "seed": 1, "shuffled": True}
    steps = Steps(rows, Sizes(rows, 0), collate, **options, most_tokens=150, process=0, processes=1)
    tokens, samples, targets = steps.largest()
    parts = [part for batch in steps.batches for part in divide(batch, steps.sizes, 1, 150)[0]]
    assert steps.sizes.padded(tokens) == max(map(steps.sizes.padded, parts)) <= 150
    assert len(samples) == max(map(len, parts)) == 8 and set(samples) <= set(range(16, 24))
    assert set(targets) <= set(range(8, 16)) and len(targets) * 30 > max(len(tokens) * 4, len(samples) * 2)


def test_a_lack_of_memory_later_on_is_mended_by_the_next_attempt(tmp_path):
    launch = LAUNCH.model_copy(update={"fit_memory": True})
    _keep(tmp_path / MOST_TOKENS, 4000)
    error = _out_of_memory(tmp_path, launch)
    # No error of a setting, after which the job would not be submitted again.
    assert not isinstance(error, UserError)
    assert "micro-batches of 4000 tokens; the next attempt" in str(error) and "at most 2000" in str(error)
    assert _kept(tmp_path / MOST_TOKENS) == 2000
    assert isinstance(_out_of_memory(tmp_path, LAUNCH), UserError)


def test_a_torn_number_is_none(tmp_path):
    (tmp_path / MOST_TOKENS).write_text("")
    assert _kept(tmp_path / MOST_TOKENS) is None
