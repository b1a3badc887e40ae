"""Small counts stay hidden: an aggregate of few patients can point at one of them."""

SMALLEST_SHOWN = 11


def shown(count: int) -> int | None:
    """The count, or None where it is too small to be shown; zero points at nobody."""
    return count if count == 0 or count >= SMALLEST_SHOWN else None
