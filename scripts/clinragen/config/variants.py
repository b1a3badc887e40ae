"""Variants: named overrides of settings for single models."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, ValidationError

from clinragen.config.base import Section
from clinragen.config.benchmark import Benchmark
from clinragen.config.explain import explain
from clinragen.config.student import Student
from clinragen.config.train import Train

# Keys that variants cannot override.
FIXED = {"train": ("launch", "report_to", "request"), "benchmark": ("compat",)}


class Variant(Section):
    """Overrides of `student`, `train` and `benchmark`: only the keys that differ."""

    student: dict[str, Any] = Field(default={})
    """Keys of `student`, nested as there."""
    train: dict[str, Any] = Field(default={})
    """Keys of `train` except `launch`, `report_to` and `request`, nested as there."""
    benchmark: dict[str, Any] = Field(default={})
    """Keys of `benchmark` except `compat`, nested as there; teachers are asked again if their prompts change."""


class Settings(Section):
    """The sections that a variant can override."""

    student: Student
    """Student model."""
    train: Train
    """Stage train."""
    benchmark: Benchmark
    """Stage benchmark."""

    def with_values_of(self, variant: Variant) -> "Settings":
        """Return the settings of a variant; pydantic's ValidationError if they are not valid."""
        return Settings.model_validate(_merged(self.model_dump(), variant.model_dump()))


def _merged(values: dict[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for name, value in keys.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if both else value
    return merged


def variant_problems(variants: Mapping[str, Variant], settings: Settings) -> Iterator[str]:
    """Yield keys that no variant may override, and values that are not valid."""
    for name, variant in variants.items():
        place = f"variants.{name}."
        for section, keys in FIXED.items():
            for key in sorted(set(keys) & getattr(variant, section).keys()):
                yield f"{place}{section}.{key}: the same for all variants; set {section}.{key}"
        try:
            yield from setting_problems(place, settings.with_values_of(variant))
        except ValidationError as error:
            yield from (explain(e, Settings, place) for e in error.errors())


def setting_problems(place: str, settings: Settings) -> Iterator[str]:
    """Yield contradictions between settings; `place` is the key of a variant with a final dot, or empty."""
    encoder, steps = settings.student.fusion.series_encoder, settings.benchmark.series.max_steps
    at = f"{place}student.fusion.series_encoder"
    if steps % encoder.patch:
        yield f"{place}benchmark.series.max_steps ({steps}) must be a multiple of {at}.patch ({encoder.patch})"
    if encoder.width % encoder.heads:
        yield f"{at}.width ({encoder.width}) must be a multiple of heads ({encoder.heads})"
    batch, launch = settings.train.optimizer.batch, settings.train.launch
    yield from tf32_problems(
        f"{place}train.optimizer", settings.train.optimizer.precision, "train.launch", launch.device
    )
    if batch < launch.nodes * launch.processes:
        yield (
            f"{place}train.optimizer.batch ({batch}) must be at least train.launch.nodes ({launch.nodes}) times "
            f"processes ({launch.processes}): each process takes a share of a batch"
        )


def tf32_problems(place: str, precision: str, device_place: str, device: str) -> Iterator[str]:
    """Yield a problem for TF32 on a CPU, which would silently compute in fp32; places are keys of sections."""
    if precision == "tf32" and device != "cuda":
        yield f"{place}.precision: tf32 requires a GPU, but {device_place}.device is {device}; set fp32 or bf16"
