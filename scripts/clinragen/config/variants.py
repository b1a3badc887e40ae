"""Variants: named overrides of settings, for models that differ from the others in them alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, ValidationError

from clinragen.config.base import Section
from clinragen.config.benchmark import Benchmark
from clinragen.config.explain import explain
from clinragen.config.student import Student
from clinragen.config.train import Train

# Keys of the overridden sections that are the same for all.
FIXED = {"train": ("launch", "request"), "benchmark": ("compat",)}


class Variant(Section):
    """Values in place of those of `student`, `train` and `benchmark`; only the keys that differ."""

    student: dict[str, Any] = Field(default={})
    """Keys of `student`, nested as there."""
    train: dict[str, Any] = Field(default={})
    """Keys of `train` except `launch` and `request`, nested as there."""
    benchmark: dict[str, Any] = Field(default={})
    """Keys of `benchmark` except `compat`, nested as there; teachers are asked again where their prompts change."""


class Settings(Section):
    """The sections of which a variant overrides keys."""

    student: Student
    """Student model."""
    train: Train
    """Stage train."""
    benchmark: Benchmark
    """Stage benchmark."""

    def with_values_of(self, variant: Variant) -> "Settings":
        """The settings of a variant; pydantic's ValidationError where they are not valid."""
        return Settings.model_validate(_merged(self.model_dump(), variant.model_dump()))


def _merged(values: dict[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(values)
    for name, value in keys.items():
        both = isinstance(value, Mapping) and isinstance(found.get(name), dict)
        found[name] = _merged(found[name], value) if both else value
    return found


def variant_problems(variants: Mapping[str, Variant], settings: Settings) -> Iterator[str]:
    """Keys that no variant may override, and values that the sections refuse."""
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
    """Values that do not fit each other; `place` is that of a variant with a dot at its end, or empty."""
    encoder, steps = settings.student.fusion.series_encoder, settings.benchmark.series.max_steps
    at = f"{place}student.fusion.series_encoder"
    if steps % encoder.patch:
        yield f"{place}benchmark.series.max_steps ({steps}) must be a multiple of {at}.patch ({encoder.patch})"
    if encoder.width % encoder.heads:
        yield f"{at}.width ({encoder.width}) must be a multiple of heads ({encoder.heads})"
    batch, launch = settings.train.optimizer.batch, settings.train.launch
    if batch < launch.nodes * launch.processes:
        yield (
            f"{place}train.optimizer.batch ({batch}) must be at least train.launch.nodes ({launch.nodes}) times "
            f"processes ({launch.processes}): each process takes a part of a batch"
        )
