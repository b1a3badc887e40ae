"""Settings of stage benchmark."""

from typing import Literal

from pydantic import Field

from clinragen.config.base import Section


class Series(Section):
    """How events become a regular series."""

    variables: Literal[11, 17]
    """11: the continuous variables of the released code; 17: all variables of the benchmark (ambiguity 4)."""
    step_hours: float = Field(gt=0)
    """Width of a time bin in hours (ambiguity 6)."""
    max_steps: int = Field(ge=8)
    """Longest series in steps; later steps are cut."""
    fill: Literal["nearest", "previous"]
    """Which measured value replaces a missing one; ties of `nearest` go to the past (ambiguity 5)."""
    scaled: bool
    """Scale each variable by mean and standard deviation of the training split; false: raw units (ambiguity 9)."""


class Split(Section):
    """How patients are split; no patient is in two splits."""

    test: float = Field(gt=0, lt=1)
    """Share of patients in the test split (ambiguity 1)."""
    validation: float = Field(gt=0, lt=1)
    """Share of the remaining patients in the validation split (ambiguity 2)."""
    seed: int
    """Seed of the split."""


class Course(Section):
    """How the hospital course is extracted and cleaned."""

    min_characters: int = Field(ge=1)
    """Shortest hospital course; an admission with a shorter one counts as having no note."""
    remove_digits: bool
    """Remove numbers."""
    remove_stop_words: bool
    """Remove stop words."""
    keep_negation: bool
    """Keep no, not, without, ... even though they are stop words."""


class Captions(Section):
    """How anomalies are described in words."""

    fences: Literal["training", "released_code"]
    """Computed on the training split, or those of the released code, the same for both datasets (ambiguity 8)."""
    fence_multiplier: float = Field(gt=0)
    """Distance of the fences from the quartiles of the training split, in interquartile ranges (ambiguity 8)."""


class Benchmark(Section):
    """From stays and events to samples."""

    compat: bool
    """Reproduce mimic3-benchmarks cell by cell, including its quirks: all repairs of `extract` are off."""
    series: Series
    """Regular series."""
    split: Split
    """Train, validation and test split."""
    course: Course
    """Hospital course."""
    captions: Captions
    """Anomaly captions."""
