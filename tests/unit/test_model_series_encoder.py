"""One vector per channel, from patches of consecutive steps of that channel."""

import pytest
import torch
import yaml
from toy_student import CHANNELS, ROOT, STEPS, fusion

from clinragen.config.student import SeriesEncoder as Settings
from clinragen.model.series_encoder import SeriesEncoder

PATCH = 8


def make(**changes: object) -> SeriesEncoder:
    torch.manual_seed(0)
    settings = fusion(**{f"series_encoder__{key}": value for key, value in changes.items()}).series_encoder
    return SeriesEncoder(settings, CHANNELS, STEPS).eval()


def vectors(encoder: SeriesEncoder, series: torch.Tensor, steps: int = STEPS) -> torch.Tensor:
    return encoder(series, torch.full((len(series),), steps))[0]


@pytest.fixture
def encoder() -> SeriesEncoder:
    return make()


@pytest.fixture
def series() -> torch.Tensor:
    return torch.randn(2, STEPS, CHANNELS, generator=torch.Generator().manual_seed(1))


def test_one_vector_per_channel(encoder, series):
    assert vectors(encoder, series).shape == (2, CHANNELS, fusion().series_encoder.width)


@pytest.mark.parametrize("channel", range(CHANNELS))
def test_channels_do_not_see_each_other(encoder, series, channel):
    other = series.clone()
    other[:, :, channel] += 1
    moved = (vectors(encoder, other) != vectors(encoder, series)).any(dim=-1)
    assert moved.all(dim=0).tolist() == [c == channel for c in range(CHANNELS)]


def test_a_patch_is_consecutive_steps_of_one_channel(encoder, series):
    """The released code views [steps, channels] as [patches, channels, patch], which mixes them."""
    patches = []
    encoder.patchtst.encoder.embedder.register_forward_pre_hook(lambda _, arguments: patches.append(arguments[0]))
    vectors(encoder, series)
    right = series.unflatten(1, (-1, PATCH)).permute(0, 3, 1, 2)
    wrong = series.reshape(len(series), -1, CHANNELS, PATCH).transpose(1, 2)
    assert torch.equal(patches[0], right)
    assert not torch.equal(patches[0], wrong)


def test_all_steps_reach_the_vector(encoder, series):
    base = vectors(encoder, series)
    for step in range(STEPS):
        other = series.clone()
        other[:, step] += 1
        assert (vectors(encoder, other) != base).any(dim=-1).all()


def padded(series: torch.Tensor, steps: int) -> torch.Tensor:
    """Only the first steps are the stay's own, as `pad_series` leaves them."""
    return torch.cat([series[:, :steps], series[:, steps - 1 : steps].expand(-1, STEPS - steps, -1)], 1)


@pytest.mark.parametrize(("steps", "chosen"), [(1, 0), (PATCH, 0), (PATCH + 1, 1), (STEPS, 1), (STEPS + 5, 1)])
def test_what_stands_for_a_channel(series, steps, chosen):
    short = padded(series, min(steps, STEPS))
    hidden = make().patchtst(past_values=short).last_hidden_state
    assert torch.equal(vectors(make(token="last"), short, steps), hidden[:, :, -1])
    assert torch.equal(vectors(make(token="last_measured"), short, steps), hidden[:, :, chosen])
    mean = hidden[:, :, : chosen + 1].mean(2)
    assert torch.allclose(vectors(make(token="mean_measured"), short, steps), mean, atol=1e-6)
    every, mask = make(token="all")(short, torch.full((len(short),), steps))
    assert torch.equal(every, hidden.flatten(1, 2))
    assert mask[0].tolist() == [int(patch <= chosen) for _ in range(CHANNELS) for patch in range(STEPS // PATCH)]


@pytest.mark.parametrize("mask_padding", [True, False])
def test_padding_is_hidden_where_asked(series, mask_padding):
    """Own patches do not depend on padded ones; each stay of a batch has its own mask."""
    encoder, other = make(token="all", mask_padding=mask_padding), series.clone()
    other[0, PATCH:] += 1
    steps = torch.tensor([PATCH, STEPS])
    one, two = (encoder(s, steps)[0].unflatten(1, (CHANNELS, -1)) for s in (series, other))
    assert torch.equal(one[0, :, 0], two[0, :, 0]) is mask_padding
    assert torch.equal(one[1], two[1])


@pytest.mark.parametrize(("positions", "learned"), [("zero", True), ("random", True), ("sincos", False)])
def test_positions_start_as_asked(positions, learned):
    found = make(positions=positions).patchtst.encoder.positional_encoder.position_enc
    assert found.requires_grad is learned
    assert bool(found.any()) is (positions != "zero")


def test_layer_norm_has_no_statistics_of_a_batch():
    kinds = [{type(m).__name__ for m in make(norm=norm).modules()} for norm in ("batch", "layer")]
    assert "BatchNorm1d" in kinds[0] - kinds[1] and "LayerNorm" in kinds[1]


def test_the_level_of_a_series_matters(encoder):
    """Scaling each series by itself would make these two the same."""
    shape = torch.linspace(0, 1, STEPS)[None, :, None].expand(1, STEPS, CHANNELS)
    assert (vectors(encoder, shape) - vectors(encoder, shape + 3)).abs().max() > 1e-3
    assert (vectors(encoder, shape) - vectors(encoder, shape * 3)).abs().max() > 1e-3


def test_half_precision_around_it_changes_nothing(encoder, series):
    whole = encoder.patchtst(past_values=series).last_hidden_state[:, :, -1]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(vectors(encoder, series), whole)


def test_its_size_is_the_papers():
    raw = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    with torch.device("meta"):
        encoder = SeriesEncoder(Settings(**raw["student"]["fusion"]["series_encoder"]), 11, 1000)
    assert sum(p.numel() for p in encoder.parameters()) == pytest.approx(8.38e6, abs=0.01e6)
