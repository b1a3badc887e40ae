"""Micro-batches that fit into memory; a GPU that is too small is played by an error above so many tokens."""

from dataclasses import replace

import pytest
import torch
from toy_student import CHANNELS, STEPS, files, student, tokenizer, write_tables

from clinragen.errors import UserError
from clinragen.model.inputs import Collator, read_samples
from clinragen.train.batches import Sizes, Steps
from clinragen.train.loss import token_losses
from clinragen.train.memory import fit


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("memory"), train=24)


def steps_over(tables, most_tokens: int = 10**6) -> Steps:
    rows = read_samples(files(tables), "train")
    collate, sizes = Collator(tokenizer(), STEPS), Sizes(rows, CHANNELS)
    options = {"batch": 8, "seed": 1, "shuffled": True, "process": 0, "processes": 1}
    return Steps(rows, sizes, collate, most_tokens=most_tokens, **options)


def gpu_of(tokens: int, steps: Steps, model) -> list[int]:
    """Fit to a GPU that holds so many tokens; the sizes that were tried."""
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


def test_the_largest_are_the_longest_samples_and_the_longest_targets(tables):
    rows = read_samples(replace(files(tables), series=[]), "train")
    order = sorted(range(len(rows)), key=lambda i: rows[i]["length"])
    targets = [dict(row) for row in rows]
    targets[order[0]]["labels"] = torch.zeros(47, dtype=torch.int32).numpy()
    collate, options = Collator(tokenizer(), None), {"batch": 1, "seed": 1, "shuffled": True}
    steps = Steps(targets, Sizes(targets, 0), collate, **options, most_tokens=10**6, process=0, processes=1)
    longest = max(range(len(rows)), key=lambda i: len(targets[i]["input_ids"]) + len(targets[i]["labels"]))
    assert steps.largest() == [[longest], [order[0]]]
