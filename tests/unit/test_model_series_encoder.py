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
    assert torch.equal(vectors(make(token="last_of_stay"), short, steps), hidden[:, :, chosen])
    mean = hidden[:, :, : chosen + 1].mean(2)
    assert torch.allclose(vectors(make(token="mean_of_stay"), short, steps), mean, atol=1e-6)
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


@pytest.mark.parametrize("token", ["last", "last_of_stay", "mean_of_stay", "all"])
@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("training", [True, False])
def test_patches_behind_the_longest_stay_are_computed_only_where_they_count(series, token, norm, training):
    """What is left out changes neither vectors nor gradients; a batch norm that learns sees all patches, as before."""
    steps, seen = torch.tensor([PATCH, 3]), []
    encoder = make(token=token, norm=norm, mask_padding=True, layers=2).train(training)
    encoder.patchtst.encoder.layers[0].register_forward_hook(lambda _, __, made: seen.append(made[0].shape[2]))
    whole = make(token=token, norm=norm, mask_padding=True, layers=2).train(training)
    whole._only_own_patches_count = lambda: False
    results = []
    for made in (encoder, whole):
        vectors, mask = made(series, steps)
        (vectors * mask[..., None]).square().sum().backward()
        results.append([vectors, *(p.grad for p in made.parameters())])
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one, other, atol=1e-5, rtol=1e-4)
    left_out = token.endswith("of_stay") and not (training and norm == "batch")
    assert seen == [1 if left_out else STEPS // PATCH]


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


def half():
    return torch.autocast("cpu", dtype=torch.bfloat16)


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_under_bf16_norms_and_sums_are_whole_and_products_are_not(series, norm):
    encoder, kinds = make(norm=norm, layers=2).train(), {"norm": [], "sum": [], "product": []}

    def watch(kind: str, module: torch.nn.Module) -> None:
        module.register_forward_hook(lambda _, given, made: kinds[kind].extend(t.dtype for t in (*given, made)))

    for layer in encoder.patchtst.encoder.layers:
        watch("norm", layer.norm_sublayer1)
        watch("norm", layer.norm_sublayer3)
        layer.register_forward_hook(lambda _, __, named, made: kinds["sum"].append(made[0].dtype), with_kwargs=True)
        for module in (layer.ff, layer.self_attn.out_proj):
            module.register_forward_hook(lambda _, __, made: kinds["product"].append(made.dtype))
    with half():
        found = vectors(encoder, series)
    found.sum().backward()
    assert {kind: set(dtypes) for kind, dtypes in kinds.items()} == {
        "norm": {torch.float32},
        "sum": {torch.float32},
        "product": {torch.bfloat16},
    }
    assert found.dtype == torch.float32
    floats = [t for t in encoder.state_dict().values() if t.is_floating_point()]
    assert {t.dtype for t in floats} == {torch.float32} and all(t.isfinite().all() for t in floats)
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in encoder.parameters())


def test_under_bf16_its_vectors_and_statistics_are_nearly_those_of_fp32(series):
    whole, halved = make(layers=3).train(), make(layers=3).train()
    expected = vectors(whole, series)
    with half():
        found = vectors(halved, series)
    assert 0 < (found - expected).abs().max() < 0.01 * expected.std()
    for name, statistic in whole.state_dict().items():
        if "running" in name:
            assert torch.allclose(halved.state_dict()[name], statistic, atol=1e-3, rtol=1e-3), name


@pytest.mark.parametrize("one, other", [(7.36, 7.38), (38.2, 38.3)], ids=["pH", "temperature"])
def test_bf16_keeps_values_apart_that_are_one_number_in_it(one, other):
    assert torch.tensor(one).bfloat16() == torch.tensor(other).bfloat16()
    encoder = make(layers=1)
    found = []
    encoder.patchtst.encoder.embedder.register_forward_hook(lambda _, __, made: found.append(made))
    with half():
        for value in (one, other):
            vectors(encoder, torch.full((1, STEPS, CHANNELS), value))
    whole = [encoder.patchtst.encoder.embedder(torch.full((1, CHANNELS, 2, PATCH), value)) for value in (one, other)]
    assert torch.equal(found[0], whole[0]) and torch.equal(found[1], whole[1]) and not torch.equal(*whole)


@pytest.mark.parametrize("mask_padding", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_fused_attention_computes_what_eager_attention_does(series, mask_padding, training):
    """Forward to 1e-5 and backward to 1e-4, at every patch; the mask of eager attention is added to its scores."""
    steps = torch.tensor([PATCH, STEPS])
    found = []
    for attention in ("sdpa", "eager"):
        encoder = make(token="all", mask_padding=mask_padding, layers=3).train(training)
        assert encoder.patchtst.config._attn_implementation == "sdpa"
        if attention == "eager":
            encoder.patchtst.set_attn_implementation("eager")
            for layer in encoder.patchtst.encoder.layers:
                layer.self_attn.register_forward_pre_hook(added, with_kwargs=True)
        out = encoder(series, steps)[0]
        out.square().sum().backward()
        found.append([out, *(p.grad for p in encoder.parameters())])
    for one, other, limit in zip(*found, [1e-5] + [1e-4] * len(found[0]), strict=False):
        assert torch.allclose(one, other, atol=limit, rtol=limit)
    masked = make(token="all", mask_padding=True, layers=3).train(training)(series, steps)[0]
    assert torch.allclose(found[0][0], masked, atol=1e-5) is mask_padding


def added(_attention: torch.nn.Module, arguments: tuple, named: dict) -> tuple[tuple, dict]:
    """The mask of truth values as numbers that leave scores alone or end them."""
    mask = named.get("attention_mask")
    return arguments, named if mask is None else named | {"attention_mask": torch.where(mask, 0.0, -torch.inf)}


@pytest.mark.parametrize("mask_padding", [True, False])
def test_its_attention_is_one_fused_operation(series, mask_padding):
    encoder = make(mask_padding=mask_padding, layers=2)
    with torch.profiler.profile() as profile, half():
        vectors(encoder, series)
    calls = {row.key: row.count for row in profile.key_averages() if "attention" in row.key or "softmax" in row.key}
    assert calls.pop("aten::_scaled_dot_product_flash_attention_for_cpu") == 2
    assert set(calls) == {"aten::scaled_dot_product_attention"}


def test_its_size_is_the_papers():
    raw = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    with torch.device("meta"):
        encoder = SeriesEncoder(Settings(**raw["student"]["fusion"]["series_encoder"]), 11, 1000)
    assert sum(p.numel() for p in encoder.parameters()) == pytest.approx(8.38e6, abs=0.01e6)
