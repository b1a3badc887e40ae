"""Assignment of cases to raters, and the order of items: all determined by the seed."""

import random
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from clinragen.config.study import StudyDesign, rater_names
from clinragen.errors import UserError
from clinragen.evaluate.cases import ranked

LETTERS = string.ascii_uppercase


@dataclass(frozen=True)
class Item:
    """One item of a rater's form; `systems` in the order of the letters, none for attention checks (`expected`)."""

    rater: str
    number: int
    kind: str
    stay: int
    systems: tuple[str, ...] = ()
    expected: int | None = None


def choose_cases(cases: Sequence[int], patients: Mapping[int, int], design: StudyDesign) -> list[int]:
    """Return the rated stays, each of a different patient, in the order of `ranked`.

    A larger study keeps the cases of a smaller one. UserError if there are fewer patients than `design.cases`.
    """
    by_patient: dict[int, int] = {}
    for stay in ranked(cases, design.seed):
        by_patient.setdefault(patients[stay], stay)
    if len(by_patient) < design.cases:
        raise UserError(
            f"evaluate.study.design.cases: {design.cases}, but evaluate.cases selects stays of only "
            f"{len(by_patient)} patients; lower it, or raise evaluate.cases.number"
        )
    return list(by_patient.values())[: design.cases]


def assign(cases: Sequence[int], design: StudyDesign) -> dict[str, list[int]]:
    """Return the cases of each rater: all of them, or balanced incomplete blocks.

    With blocks, each case gets the `raters_per_case` raters with the fewest cases so far, preferring those that share
    the fewest cases. So loads differ by at most one, and every rater shares cases with many others, as statistics of
    agreement require.
    """
    raters = rater_names(design.raters)
    if design.raters_per_case is None:
        return {rater: list(cases) for rater in raters}
    draw = random.Random(f"{design.seed} assignment")
    loads: dict[str, list[int]] = {rater: [] for rater in raters}
    shared: Counter[frozenset[str]] = Counter()  # cases by pair of raters
    for case in draw.sample(list(cases), len(cases)):
        block: list[str] = []
        while len(block) < design.raters_per_case:
            others = [rater for rater in raters if rater not in block]
            draw.shuffle(others)
            block.append(min(others, key=lambda r: (len(loads[r]), sum(shared[frozenset({r, b})] for b in block))))
        for rater in block:
            loads[rater].append(case)
        shared.update(map(frozenset, combinations(block, 2)))
    return loads


def plan_items(cases: Mapping[str, Sequence[int]], systems: Sequence[str], design: StudyDesign) -> list[Item]:
    """Return the items of every rater's form, in order.

    Each rater has a separate order of cases, and each item a separate order of systems. Repeats show items of the first
    half again in the second half, with at least one item between; attention checks are spread over the form.
    """
    items = []
    for rater, own in cases.items():
        draw = random.Random(f"{design.seed} {rater}")
        shown = [(stay, "case") for stay in draw.sample(list(own), len(own))]
        half = (len(shown) + 1) // 2
        for stay, _ in draw.sample(shown[:half], min(half, number_of_repeats(len(own), design.repeats))):
            shown.insert(draw.randint(min(half + 1, len(shown)), len(shown)), (stay, "repeat"))
        for position in sorted(_positions(len(shown), design.attention_checks, draw), reverse=True):
            shown.insert(position, (draw.choice(own), "attention"))
        for number, (stay, kind) in enumerate(shown, start=1):
            if kind == "attention":
                items.append(Item(rater, number, kind, stay, expected=draw.randint(1, 5)))
            else:
                items.append(Item(rater, number, kind, stay, tuple(draw.sample(list(systems), len(systems)))))
    return items


def number_of_repeats(cases: int, share: float) -> int:
    """Return how many cases of a form are shown twice: the rounded share, at least one unless the share is 0."""
    return max(1, round(cases * share)) if share else 0


def _positions(items: int, number: int, draw: random.Random) -> list[int]:
    """Return a random position in each of `number` equal sections; never the first, which everybody reads carefully."""
    edges = [round(i * items / number) for i in range(number + 1)] if number else []
    return [draw.randint(max(1, low), max(1, low, high - 1)) for low, high in pairwise(edges)]
