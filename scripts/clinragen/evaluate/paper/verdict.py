"""Compare our value with the paper's by one rule for all tables (docs/decisions.md, "Verdicts")."""

AGREES, HIGHER, LOWER = "agrees", "higher", "lower"
MISSING = "missing"
NOT_COMPARABLE = "not comparable"
NO_INTERVAL = "no interval"
NOT_IN_PAPER = "not in the paper"
DECIDED = (AGREES, HIGHER, LOWER)
ROUNDING = 0.00005
"""Half a unit of the last decimal that the paper prints."""


def verdict(
    ours: float | None,
    interval: tuple[float, float] | None,
    paper: float | None,
    spread: float | None = None,
    stand_ins: bool = False,
) -> str:
    """Return whether our 95 % interval meets the paper's value, widened by its rounding and its printed `spread`.

    `ours` is None without a run, `interval` without resampling, `paper` if the paper has no value. Checked in this
    order: missing run, no value in the paper, stand-ins, no interval.
    """
    if ours is None:
        return MISSING
    if paper is None:
        return NOT_IN_PAPER
    if stand_ins:
        return NOT_COMPARABLE
    if interval is None:
        return NO_INTERVAL
    low, high = interval
    margin = (spread or 0.0) + ROUNDING
    if high < paper - margin:
        return LOWER
    return HIGHER if low > paper + margin else AGREES
