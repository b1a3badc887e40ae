"""Evidence for claims: values with their intervals, and differences of two values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from scipy.stats import ttest_ind_from_stats

from clinragen.registry.raw import TITLES


class Cell(NamedTuple):
    """Where a value is, as the claims name it."""

    source: str
    dataset: str
    row: str
    metric: str


class Estimate(NamedTuple):
    """A value with the bounds of its 95 % interval, which for a printed value are the value itself."""

    value: float
    low: float
    high: float

    def minus(self, other: "Estimate") -> "Estimate":
        """Return the difference with the widest possible interval, because only the intervals of both are known."""
        return Estimate(self.value - other.value, self.low - other.high, self.high - other.low)

    @classmethod
    def exact(cls, value: float) -> "Estimate":
        """Return a value without an interval."""
        return cls(value, value, value)

    @classmethod
    def mean(cls, each: list["Estimate"]) -> "Estimate":
        """Return the mean of values and of bounds, which is the widest possible interval of the mean."""
        return cls(*(sum(column) / len(each) for column in zip(*each, strict=True)))


class Gap(NamedTuple):
    """A value that a claim needs and lacks, and how to make it (empty if nothing does)."""

    what: str
    how: str = ""


class Lacking(Exception):
    """The evidence lacks a value that a claim needs."""

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
    """Values and differences by cell. Methods raise `Lacking` for what is missing, with the reason if it is known."""

    values: Mapping[Cell, Estimate]
    differences: Mapping[tuple[Cell, Cell], Estimate] = field(default_factory=dict)
    """Differences with an interval, first minus second."""
    p_values: Mapping[tuple[Cell, Cell], float] = field(default_factory=dict)
    """Two-sided p values of a t-test over the runs, by the same cells."""
    runs: Mapping[Cell, Runs] = field(default_factory=dict)
    """Runs from which missing p values are computed."""
    gaps: Mapping[Cell, Gap] = field(default_factory=dict)
    """Cells without a usable value, and why."""
    reasons: Mapping[str, Gap] = field(default_factory=dict)
    """Sources without any value, and why."""
    makes: Mapping[str, Callable[[str, str | None], str | None]] = field(default_factory=dict)
    """By source, a function of row and dataset (None: all datasets) that says how to make the value."""
    stated: frozenset[str] = frozenset()
    """Sources for which the paper states only the order of the rows."""

    def value(self, cell: Cell) -> Estimate:
        """Return the value of a cell; raise Lacking without one.

        If the source has no value for a dataset, the dataset is reported as missing rather than each row.
        """
        if cell in self.values:
            return self.values[cell]
        if cell in self.gaps:
            raise Lacking(self.gaps[cell])
        if cell.source in self.reasons:
            raise Lacking(self.reasons[cell.source])
        dataset = cell.dataset if cell.dataset in TITLES.values() else None
        how = self.makes[cell.source](cell.row, dataset) if cell.source in self.makes else None
        datasets = {other.dataset for other in self.values if other.source == cell.source}
        whole_dataset = dataset is not None and datasets and dataset not in datasets
        raise Lacking(Gap(f"all of {dataset}" if whole_dataset else cell.row, how or ""))

    def difference(self, cell: Cell, other: Cell) -> Estimate:
        """Return first minus second, with its own interval or one from those of both; raise Lacking without them."""
        if (cell, other) in self.differences:
            return self.differences[cell, other]
        if (other, cell) in self.differences:
            value, low, high = self.differences[other, cell]
            return Estimate(-value, -high, -low)
        return self.value(cell).minus(self.value(other))

    def p_value(self, cell: Cell, other: Cell) -> float:
        """Return the two-sided p of Welch's t-test over the runs of both; raise Lacking without two runs of each."""
        for pair in ((cell, other), (other, cell)):
            if pair in self.p_values:
                return self.p_values[pair]
        for each in (cell, other):
            self.value(each)
            if each not in self.runs or self.runs[each].number < 2:
                raise Lacking(Gap(f"a second seed of {each.row}", "add one to `seeds`"))
        first, second = self.runs[cell], self.runs[other]
        return float(ttest_ind_from_stats(*first, *second, equal_var=False).pvalue)
