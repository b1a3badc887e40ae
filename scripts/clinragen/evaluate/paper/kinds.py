"""The kinds of tests: each turns a test into statements about numbers and decides which of them hold."""

import math
import operator
from collections.abc import Callable, Iterator
from functools import partial, singledispatch
from itertools import product
from typing import NamedTuple

from clinragen.evaluate.paper.evidence import Cell, Estimate, Evidence, Gap, Lacking
from clinragen.evaluate.paper.register import (
    Above,
    Between,
    Close,
    Gain,
    LargerGain,
    Pairs,
    Rank,
    Ratio,
    Rows,
    SameOrder,
    Significant,
)

DIGITS = 9  # differences of decimal fractions are not exact


class Statement(NamedTuple):
    """One statement of a claim; `holds` is None if the interval has values on both sides, or if a run is lacking."""

    text: str
    holds: bool | None
    estimate: Estimate | None = None
    margin: float = 0.0
    """How far the value is on the claimed side, in its unit; negative on the other side."""
    lacking: Gap | None = None
    p: float | None = None

    @property
    def with_p(self) -> str:
        """The text, with p if the statement is about significance."""
        return self.text if self.p is None else f"{self.text}: p = {self.p:.2g}"


@singledispatch
def statements(test: Rows, evidence: Evidence) -> list[Statement]:
    """Return all statements of a test, decided by the evidence."""
    raise TypeError(type(test))


@statements.register
def _above(test: Above, evidence: Evidence) -> list[Statement]:
    return [
        _decided(f"{_names(a, b)} > {test.by:g}", partial(evidence.difference, a, b), low=test.by)
        for a, b in _pairs(test)
    ]


@statements.register
def _close(test: Close, evidence: Evidence) -> list[Statement]:
    return [
        _decided(
            f"{_where(a.dataset, a.metric)}: |{a.row} − {b.row}| ≤ {test.within:g}",
            partial(evidence.difference, a, b),
            low=-test.within,
            high=test.within,
            closed=True,
        )
        for a, b in _pairs(test)
    ]


@statements.register
def _gain(test: Gain, evidence: Evidence) -> list[Statement]:
    pairs = list(_pairs(test))
    text = f"mean of {len(pairs)} differences > {test.by:g}"
    return [_decided(text, lambda: _mean_difference(pairs, evidence), low=test.by)]


@statements.register
def _larger_gain(test: LargerGain, evidence: Evidence) -> list[Statement]:
    stronger = list(_pairs(test))
    weaker = list(_pairs(test.model_copy(update={"pairs": test.weaker, "rows": [], "others": []})))

    def difference() -> Estimate:
        return _mean_difference(stronger, evidence).minus(_mean_difference(weaker, evidence))

    text = f"mean of {len(stronger)} differences − mean of {len(weaker)} others > 0"
    return [_decided(text, difference, low=0.0)]


@statements.register
def _significant(test: Significant, evidence: Evidence) -> list[Statement]:
    decided = []
    for a, b in _pairs(test):
        text = f"{_names(a, b)} > 0 with p < {test.p:g}"
        try:
            difference, p = evidence.difference(a, b), evidence.p_value(a, b)
        except Lacking as error:
            decided.append(Statement(text, None, lacking=error.gap))
            continue
        decided.append(Statement(text, _significance(difference, p, test.p), difference, test.p - p, p=p))
    return decided


def _significance(difference: Estimate, p: float, level: float) -> bool | None:
    """Decide whether a difference is positive and significant.

    Few runs may miss a real difference, so a difference fails only if it is certainly not positive.
    """
    if difference.value > 0 and p < level:
        return True
    return False if difference.high <= 0 or (difference.value < 0 and p < level) else None


@statements.register
def _rank(test: Rank, evidence: Evidence) -> list[Statement]:
    decided = []
    for dataset, metric in product(test.datasets, test.metrics):
        own = Cell(test.source, dataset, test.row, metric)
        others = [Cell(test.source, dataset, row, metric) for row in test.among]
        text = f"{_where(dataset, metric)}: {test.row} has rank {test.rank} of {len(others) + 1}"
        try:
            differences = [evidence.difference(own, other) for other in others]
            value = evidence.value(own)
        except Lacking as error:
            decided.append(Statement(text, None, lacking=error.gap))
            continue
        # The intervals allow every rank from best to worst.
        best = 1 + sum(d.high < 0 for d in differences)
        worst = 1 + sum(d.low <= 0 for d in differences)
        holds = None if best <= test.rank <= worst and best < worst else best == test.rank
        nearest = min((abs(d.value) for d in differences), default=0.0)
        decided.append(Statement(text, holds, value, nearest if holds else -nearest))
    return decided


@statements.register
def _same_order(test: SameOrder, evidence: Evidence) -> list[Statement]:
    """Every two rows are in the order of the other source, or of the paper's text if that source has no numbers."""
    decided = []
    others = [(dataset, test.other_metric) for dataset in test.other_datasets]
    for (dataset, metric), (other_dataset, column) in product(product(test.datasets, test.metrics), others):
        for n, first in enumerate(test.stated):
            for second in test.stated[n + 1 :]:
                text = f"{_where(dataset, metric)}: {first} and {second} are in the order of {test.other}"
                a, b = (Cell(test.source, dataset, row, metric) for row in (first, second))
                try:
                    own = evidence.difference(a, b)
                    reference = _ordered(evidence, Cell(test.other, other_dataset, first, column), second)
                except Lacking as error:
                    decided.append(Statement(text, None, lacking=error.gap))
                    continue
                signs = {_sign(own), _sign(reference)}
                holds = None if None in signs else len(signs) == 1
                decided.append(Statement(text, holds, own, abs(own.value) if holds else -abs(own.value)))
    return decided


@statements.register
def _ratio(test: Ratio, evidence: Evidence) -> list[Statement]:
    sign, satisfies, bound = ("<", operator.lt, test.below) if test.above is None else ("≥", operator.ge, test.above)
    assert bound is not None, "a Ratio has one of the two"
    decided = []
    for dataset, metric in product(test.datasets, test.metrics):
        text = f"{_where(dataset, metric)}: {test.row} / {test.other} {sign} {bound:g}"
        try:
            own, other = (evidence.value(Cell(test.source, dataset, r, metric)) for r in (test.row, test.other))
        except Lacking as error:
            decided.append(Statement(text, None, lacking=error.gap))
            continue
        quotient = Estimate(own.value / other.value, own.low / other.high, own.high / other.low)
        sides = {satisfies(q, bound) for q in (quotient.low, quotient.high)}
        margin = bound - quotient.value if test.above is None else quotient.value - bound
        decided.append(Statement(text, sides.pop() if len(sides) == 1 else None, quotient, margin))
    return decided


@statements.register
def _between(test: Between, evidence: Evidence) -> list[Statement]:
    lower, upper = (f"{bound:g}" for bound in (test.low, test.high))
    bounds = f"{lower} < " * math.isfinite(test.low) + "value" + f" < {upper}" * math.isfinite(test.high)
    return [
        _decided(
            f"{_where(dataset, metric)}: {test.row}: {bounds}",
            partial(evidence.value, Cell(test.source, dataset, test.row, metric)),
            low=test.low,
            high=test.high,
        )
        for dataset, metric in product(test.datasets, test.metrics)
    ]


def cells_of(test: Rows) -> set[Cell]:
    """Return the cells that a test is about, including those of another source."""
    rows: set[str] = set()
    if isinstance(test, Pairs):
        weaker = test.weaker if isinstance(test, LargerGain) else []
        rows = {row for pair in test.compared + weaker for row in pair}
    elif isinstance(test, SameOrder):
        rows = set(test.stated)
    elif isinstance(test, Rank):
        rows = {test.row, *test.among}
    elif isinstance(test, Ratio):
        rows = {test.row, test.other}
    elif isinstance(test, Between):
        rows = {test.row}
    cells = {Cell(test.source, *where) for where in product(test.datasets, rows, test.metrics)}
    if isinstance(test, SameOrder):
        cells |= {Cell(test.other, d, r, test.other_metric) for d, r in product(test.other_datasets, rows)}
    return cells


def _pairs(test: Pairs) -> Iterator[tuple[Cell, Cell]]:
    for dataset, metric, (row, other) in product(test.datasets, test.metrics, test.compared):
        yield Cell(test.source, dataset, row, metric), Cell(test.source, dataset, other, metric)


def _names(cell: Cell, other: Cell) -> str:
    return f"{_where(cell.dataset, cell.metric)}: {cell.row} − {other.row}"


def _where(dataset: str, metric: str) -> str:
    return f"{dataset}, {metric.replace('_f1', ' F1')}"


def _mean_difference(pairs: list[tuple[Cell, Cell]], evidence: Evidence) -> Estimate:
    return Estimate.mean([evidence.difference(a, b) for a, b in pairs])


def _decided(
    text: str,
    estimate: Callable[[], Estimate],
    low: float = -math.inf,
    high: float = math.inf,
    closed: bool = False,
) -> Statement:
    """Decide whether a value is above `low` and below `high`, or on a bound if the range is `closed`.

    The statement holds if its whole interval is inside, and fails if its whole interval is outside.
    """
    try:
        value = Estimate(*(round(number, DIGITS) for number in estimate()))
    except Lacking as error:
        return Statement(text, None, lacking=error.gap)
    above = operator.ge if closed else operator.gt
    inside = above(value.low, low) and above(high, value.high)
    outside = not above(value.high, low) or not above(high, value.low)
    margin = min(value.value - low, high - value.value)
    return Statement(text, True if inside else False if outside else None, value, margin)


def _sign(difference: Estimate) -> int | None:
    return 1 if difference.low > 0 else -1 if difference.high < 0 else None


def _ordered(evidence: Evidence, cell: Cell, other: str) -> Estimate:
    """Return the difference of two rows, the first of which the paper states to be the higher one."""
    if cell.source in evidence.stated:
        return Estimate.exact(1.0)
    return evidence.difference(cell, cell._replace(row=other))
