"""What decides a claim: values with the interval in which they may be, and differences of two of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from scipy.stats import ttest_ind_from_stats

from clinragen.registry.raw import TITLES


class Cell(NamedTuple):
    """A place of a value, as the claims name it."""

    source: str
    dataset: str
    row: str
    metric: str


class Estimate(NamedTuple):
    """A value with the bounds of its 95 % interval; a printed value is its own bound."""

    value: float
    low: float
    high: float

    def minus(self, other: "Estimate") -> "Estimate":
        """The difference of two values of which only the intervals are known: never narrower than the true one."""
        return Estimate(self.value - other.value, self.low - other.high, self.high - other.low)

    @classmethod
    def exact(cls, value: float) -> "Estimate":
        """A value without an interval."""
        return cls(value, value, value)

    @classmethod
    def mean(cls, each: list["Estimate"]) -> "Estimate":
        """The mean of values and of bounds: as wide as if all moved together, and never too narrow."""
        return cls(*(sum(column) / len(each) for column in zip(*each, strict=True)))


class Gap(NamedTuple):
    """What a claim needs and is not there, and what would make it (empty where nothing would)."""

    what: str
    how: str = ""


class Lacking(Exception):
    """What a claim needs is not there."""

    def __init__(self, gap: Gap) -> None:
        """Keep the gap."""
        super().__init__(gap.what)
        self.gap = gap


class Runs(NamedTuple):
    """Mean, sample standard deviation and number of runs."""

    mean: float
    std: float
    number: int


@dataclass(frozen=True)
class Evidence:
    """Values and differences by cell; what is missing is `Lacking`, with the reason of its source if there is one."""

    values: Mapping[Cell, Estimate]
    differences: Mapping[tuple[Cell, Cell], Estimate] = field(default_factory=dict)
    """Differences whose own interval is known, first minus second."""
    p_values: Mapping[tuple[Cell, Cell], float] = field(default_factory=dict)
    """Two-sided, of a t-test over the runs, by the same cells."""
    runs: Mapping[Cell, Runs] = field(default_factory=dict)
    """Where there are no p-values: what they follow from."""
    gaps: Mapping[Cell, Gap] = field(default_factory=dict)
    """Why cells are there and have no value that decides anything."""
    reasons: Mapping[str, Gap] = field(default_factory=dict)
    """Why a source has no values at all."""
    makes: Mapping[str, Callable[[str, str | None], str | None]] = field(default_factory=dict)
    """By source, what would make a row of it on a dataset (None for what is about all)."""
    stated: frozenset[str] = frozenset()
    """Sources of which only the order of the rows is known, as the text states it."""

    def value(self, cell: Cell) -> Estimate:
        """The value of a cell; Lacking without one.

        A dataset of which the source has no value at all is missing as a whole, not row by row.
        """
        if cell in self.values:
            return self.values[cell]
        if cell in self.gaps:
            raise Lacking(self.gaps[cell])
        if cell.source in self.reasons:
            raise Lacking(self.reasons[cell.source])
        dataset = cell.dataset if cell.dataset in TITLES.values() else None
        how = self.makes[cell.source](cell.row, dataset) if cell.source in self.makes else None
        known = {other.dataset for other in self.values if other.source == cell.source}
        whole_dataset = dataset is not None and known and dataset not in known
        raise Lacking(Gap(f"all of {dataset}" if whole_dataset else cell.row, how or ""))

    def difference(self, cell: Cell, other: Cell) -> Estimate:
        """First minus second, with the interval of the difference, or from the intervals of both; else Lacking."""
        if (cell, other) in self.differences:
            return self.differences[cell, other]
        if (other, cell) in self.differences:
            value, low, high = self.differences[other, cell]
            return Estimate(-value, -high, -low)
        return self.value(cell).minus(self.value(other))

    def p_value(self, cell: Cell, other: Cell) -> float:
        """Two-sided p of Welch's t-test over the runs of both; Lacking without runs of both."""
        for pair in ((cell, other), (other, cell)):
            if pair in self.p_values:
                return self.p_values[pair]
        for one in (cell, other):
            self.value(one)
            if one not in self.runs or self.runs[one].number < 2:
                raise Lacking(Gap(f"a second seed of {one.row}", "add one to `seeds`"))
        first, second = self.runs[cell], self.runs[other]
        return float(ttest_ind_from_stats(*first, *second, equal_var=False).pvalue)
