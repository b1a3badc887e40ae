"""Line charts as coordinates, which a page draws as SVG in its own colours: hundreds take a second and a megabyte."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LEFT, RIGHT, TOP, BOTTOM = 48, 312, 8, 136
TICKS = 4  # at most about as many
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """Lines and the ticks of both axes, in coordinates of the drawing; y grows downwards."""

    title: str
    lines: list[tuple[str, str]]
    """The kind of each line, which decides its colour, and its points as SVG takes them."""
    x: list[tuple[float, str]]
    y: list[tuple[float, str]]


def chart(
    title: str,
    lines: Iterable[tuple[str, Points]],
    log: bool = False,
    low: float | None = None,
    high: float | None = None,
) -> Chart | None:
    """Return the chart of lines, each with its kind; None without any point.

    The y axis covers all values, and `low` and `high` if given; with `log` it is logarithmic and omits values of at
    most 0. The x axis begins at 0.
    """
    kept = [(kind, [(x, y) for x, y in points if math.isfinite(y) and (y > 0 or not log)]) for kind, points in lines]
    kept = [(kind, points) for kind, points in kept if points]
    if not kept:
        return None
    values = [y for _, points in kept for _, y in points]
    bottom, top = (min(values) if low is None else low), (max(values) if high is None else high)
    if bottom == top:
        bottom, top = (bottom / 2, top * 2) if log else (bottom - 0.5, top + 0.5)
    end = max(x for _, points in kept for x, _ in points) or 1.0

    def across(x: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * x / end, 1)

    def down(y: float) -> float:
        share = math.log(y / bottom) / math.log(top / bottom) if log else (y - bottom) / (top - bottom)
        return round(BOTTOM - (BOTTOM - TOP) * share, 1)

    return Chart(
        title,
        [(kind, _polyline([(across(x), down(y)) for x, y in points])) for kind, points in kept],
        [(across(x), f"{x:g}") for x in linear_ticks(0, end)],
        [(down(y), f"{y:g}") for y in (log_ticks if log else linear_ticks)(bottom, top)],
    )


def linear_ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two values, multiples of 1, 2 or 5 times a power of ten."""
    step = 10.0 ** math.floor(math.log10((high - low) / TICKS))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= TICKS)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{number * step:.6g}") for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten between two positive values and multiples of them, or round numbers if these are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        ticks = [float(f"{factor * 10.0**power:.6g}") for power in powers for factor in factors]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) >= TICKS - 1:
            return inside
    return linear_ticks(low, high)


def _polyline(points: Points) -> str:
    # A single point is drawn as a line of no length, with round ends.
    return " ".join(f"{x:g},{y:g}" for x, y in ([*points, *points] if len(points) == 1 else points))
