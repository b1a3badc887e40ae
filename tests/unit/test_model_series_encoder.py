"""One vector per channel, from patches of consecutive steps of that channel."""

import pytest
import torch
import yaml
from toy_student import CHANNELS, ROOT, STEPS, fusion

from clinragen.config.student import SeriesEncoder as Settings
from clinragen.model.series_encoder import SeriesEncoder

PATCH = 8


@pytest.fixture
def encoder() -> SeriesEncoder:
    torch.manual_seed(0)
    return SeriesEncoder(fusion().series_encoder, CHANNELS, STEPS).eval()


@pytest.fixture
def series() -> torch.Tensor:
    return torch.randn(2, STEPS, CHANNELS, generator=torch.Generator().manual_seed(1))


def test_one_vector_per_channel(encoder, series):
    assert encoder(series).shape == (2, CHANNELS, fusion().series_encoder.width)


@pytest.mark.parametrize("channel", range(CHANNELS))
def test_channels_do_not_see_each_other(encoder, series, channel):
    other = series.clone()
    other[:, :, channel] += 1
    moved = (encoder(other) != encoder(series)).any(dim=-1)
    assert moved.all(dim=0).tolist() == [c == channel for c in range(CHANNELS)]


def test_a_patch_is_consecutive_steps_of_one_channel(encoder, series):
    """The released code views [steps, channels] as [patches, channels, patch], which mixes them."""
    patches = []
    encoder.patchtst.encoder.embedder.register_forward_pre_hook(lambda _, arguments: patches.append(arguments[0]))
    encoder(series)
    right = series.unflatten(1, (-1, PATCH)).permute(0, 3, 1, 2)
    wrong = series.reshape(len(series), -1, CHANNELS, PATCH).transpose(1, 2)
    assert torch.equal(patches[0], right)
    assert not torch.equal(patches[0], wrong)


def test_the_last_patch_stands_for_the_channel(encoder, series):
    hidden = encoder.patchtst(past_values=series).last_hidden_state
    assert hidden.shape[2] == STEPS // PATCH and torch.equal(encoder(series), hidden[:, :, -1])


def test_all_steps_reach_the_vector(encoder, series):
    base = encoder(series)
    for step in range(STEPS):
        other = series.clone()
        other[:, step] += 1
        assert (encoder(other) != base).any(dim=-1).all()


def test_the_level_of_a_series_matters(encoder):
    """Scaling each series by itself would make these two the same."""
    shape = torch.linspace(0, 1, STEPS)[None, :, None].expand(1, STEPS, CHANNELS)
    assert (encoder(shape) - encoder(shape + 3)).abs().max() > 1e-3
    assert (encoder(shape) - encoder(shape * 3)).abs().max() > 1e-3


def test_half_precision_around_it_changes_nothing(encoder, series):
    whole = encoder.patchtst(past_values=series).last_hidden_state[:, :, -1]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(encoder(series), whole)


def test_its_size_is_the_papers():
    raw = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    with torch.device("meta"):
        encoder = SeriesEncoder(Settings(**raw["student"]["fusion"]["series_encoder"]), 11, 1000)
    assert sum(p.numel() for p in encoder.parameters()) == pytest.approx(8.38e6, abs=0.01e6)
