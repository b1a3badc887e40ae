"""Progress of anything longer than a few seconds: a bar on a terminal, plain lines in a log."""

import logging
import sys
import time
from typing import Self

from tqdm import tqdm

log = logging.getLogger("progress")
SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """A context manager that counts. The items do not pass through it, so it cannot change a result."""

    def __init__(self, what: str, total: int | None = None) -> None:
        self.what = what
        self.total = total
        self.done = 0
        self._started = self._logged = time.monotonic()
        self._bar = tqdm(desc=what, total=total, unit="", leave=False) if sys.stderr.isatty() else None

    def advance(self, count: int = 1) -> None:
        """Count finished items; log every ten seconds."""
        self.done += count
        if self._bar is not None:
            self._bar.update(count)
            return
        now = time.monotonic()
        if now - self._logged >= SECONDS_BETWEEN_LINES:
            self._logged = now
            share = f"{self.done} of {self.total} ({self.done / self.total:.0%})" if self.total else str(self.done)
            log.info("%s: %s after %.0f s", self.what, share, now - self._started)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        elif kind is None:
            log.info("%s: %d done in %.1f s", self.what, self.done, time.monotonic() - self._started)
