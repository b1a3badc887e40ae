"""Progress on anything longer than a few seconds: a bar on a terminal, plain lines in a log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
log = logging.getLogger("progress")
SECONDS_BETWEEN_LINES = 10.0


def progress(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield the items, telling how far it is."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)
    if sys.stderr.isatty():
        yield from tqdm(items, desc=what, total=total, unit="", leave=False)
        return
    started = told = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - told >= SECONDS_BETWEEN_LINES:
            told = now
            part = f"{done} of {total} ({done / total:.0%})" if total else str(done)
            log.info("%s: %s after %.0f s", what, part, now - started)
    log.info("%s: %d done in %.1f s", what, done, time.monotonic() - started)
