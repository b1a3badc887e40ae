"""The register of the paper's claims (resources/claims.yaml), validated."""

import math
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from clinragen.config.base import Section
from clinragen.errors import UserError

DATASETS = ("MIMIC-III", "MIMIC-IV")
LONGEST_QUOTE = 12  # words

Source = Literal["table1", "table2", "table4", "table6", "sizes", "times", "judge", "people", "agreement", "discussion"]
"""Source of the cells of a test; `sources.py` maps sources to files, printed and ours."""


class Rows(Section):
    """The cells that a test is about."""

    source: Source
    """Source of the cells."""
    metrics: list[str] = Field(min_length=1)
    """Columns of the cells."""
    datasets: list[str] = Field(default=list(DATASETS), min_length=1)
    """Datasets of the cells."""


class Pairs(Rows):
    """A test of differences between rows: each of `rows` with each of `others`, or the `pairs`."""

    rows: list[str] = Field(default_factory=list)
    """Rows whose values the claim says are higher."""
    others: list[str] = Field(default_factory=list)
    """Rows that they are compared with."""
    pairs: list[tuple[str, str]] = Field(default_factory=list)
    """A row and the one that it is compared with, if not all rows are compared with all others."""

    @model_validator(mode="after")
    def _has_pairs(self) -> "Pairs":
        if bool(self.pairs) == bool(self.rows and self.others) or bool(self.rows) != bool(self.others):
            raise ValueError("give either pairs, or rows and others")
        return self

    @property
    def compared(self) -> list[tuple[str, str]]:
        """The pairs of rows."""
        return self.pairs or [(row, other) for row in self.rows for other in self.others]


class Above(Pairs):
    """Every difference is above `by`, which is negative if the row may merely match the other."""

    kind: Literal["above"]
    by: float = 0.0
    """In the unit of the cells."""


class Close(Pairs):
    """Every difference is at most `within`, in either direction."""

    kind: Literal["close"]
    within: float = Field(gt=0)
    """In the unit of the cells."""


class Gain(Pairs):
    """The mean of all differences is above `by`."""

    kind: Literal["gain"]
    by: float
    """In the unit of the cells."""


class LargerGain(Pairs):
    """The mean difference of `pairs` is above that of the `weaker` pairs."""

    kind: Literal["larger_gain"]
    weaker: list[tuple[str, str]] = Field(min_length=1)
    """The pairs that should gain less."""


class Significant(Pairs):
    """Every difference is positive, with p below `p` by a t-test over the runs."""

    kind: Literal["significant"]
    p: float = Field(gt=0, lt=1)
    """Level of significance."""


class Rank(Rows):
    """The value of `row` has rank `rank` among its own and those of the rows in `among`."""

    kind: Literal["rank"]
    row: str
    """The row."""
    among: list[str] = Field(min_length=1)
    """The rows that it is ranked with."""
    rank: int = Field(ge=1)
    """1 for the highest."""


class SameOrder(Rows):
    """In every cell the rows have the same order as in another source."""

    kind: Literal["same_order"]
    stated: list[str] = Field(min_length=2)
    """The rows in the order that the paper states for the other source, without printing numbers."""
    other: Literal["judge", "people"]
    """The other source."""
    other_metric: str
    """Its column."""
    other_datasets: list[str] = Field(min_length=1)
    """Its datasets."""


class Ratio(Rows):
    """The quotient of two values is below or above a bound."""

    kind: Literal["ratio"]
    row: str
    """The dividend."""
    other: str
    """The divisor."""
    below: float | None = None
    """Exclusive upper bound of the quotient."""
    above: float | None = None
    """Inclusive lower bound of the quotient."""

    @model_validator(mode="after")
    def _has_one_bound(self) -> "Ratio":
        if (self.below is None) == (self.above is None):
            raise ValueError("give either below or above")
        return self


class Between(Rows):
    """A value is within a range; `printed` is a value that is in the paper's text but in none of its tables."""

    kind: Literal["between"]
    row: str
    """The row."""
    low: float = -math.inf
    """Lower bound."""
    high: float = math.inf
    """Upper bound."""
    printed: float | None = None
    """The value in the paper's text."""

    @model_validator(mode="after")
    def _has_a_bound(self) -> "Between":
        if not (math.isfinite(self.low) or math.isfinite(self.high)):
            raise ValueError("give low, high or both")
        return self


Test = Annotated[
    Above | Close | Gain | LargerGain | Significant | Rank | SameOrder | Ratio | Between, Field(discriminator="kind")
]


class Claim(Section):
    """One claim of the paper and the test that decides it."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Name of the claim."""
    section: str
    """Section of the paper."""
    quote: str
    """Quotation from the paper, at most a dozen words."""
    reading: str
    """The claim as it is tested, in our words."""
    test: Test
    """The test."""

    @model_validator(mode="after")
    def _quote_is_short(self) -> "Claim":
        if len(self.quote.split()) > LONGEST_QUOTE:
            raise ValueError(f"the quote has more than {LONGEST_QUOTE} words")
        return self


def read_claims(path: Path) -> list[Claim]:
    """Return the claims of resources/claims.yaml in order; raise UserError for invalid or duplicate ones."""
    try:
        claims = TypeAdapter(list[Claim]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise UserError(f"{path}: {error}; restore it with git checkout") from None
    names = [claim.id for claim in claims]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{path}: duplicate claim ids: {', '.join(twice)}; rename one")
    return claims
