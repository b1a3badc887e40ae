"""Pacing of the requests to a server: configured rates, and pauses that the server asks for."""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from aiolimiter import AsyncLimiter

from clinragen.config.llms import Transport

FIRST_PAUSE = 0.5  # seconds; doubled until a request is answered
LONGEST_PAUSE = 60.0  # seconds, also for pauses that a server asks for
WITHOUT_CREDIT = 0.02  # seconds between checks of a request that waits for answers to others
JITTER = 0.05  # largest extension of a pause as a share of it, so that requests do not resume all at once


class Pace:
    """Rates and pauses of one server.

    After a pause, as many requests are sent as were answered since the previous pause, and two more per answer: a
    server that answers ten requests per second does not receive 64 at once after each pause.
    """

    def __init__(self, transport: Transport) -> None:
        self._requests, self._tokens = map(limiter, (transport.requests_per_minute, transport.tokens_per_minute))
        self._until = 0.0
        self._next = FIRST_PAUSE
        self._answered = 0
        self._credit = math.inf

    async def turn(self, tokens: int, stopped: asyncio.Event) -> None:
        """Wait until a request of this size may be sent, or the round stops.

        The caller must then call `answered`, `failed` or `pause`.
        """
        if self._requests:
            await self._requests.acquire()
        remaining: float = tokens
        while self._tokens and remaining > 0:
            part = min(remaining, self._tokens.max_rate)
            await self._tokens.acquire(part)
            remaining -= part
        while not stopped.is_set():
            if (pause := self._until - time.monotonic()) > 0:
                await sleep(pause * random.uniform(1, 1 + JITTER), stopped)
            elif self._credit < 1:
                await sleep(WITHOUT_CREDIT, stopped)
            else:
                break
        self._credit -= 1

    def answered(self) -> None:
        """Record that the server answered."""
        self._next = FIRST_PAUSE
        self._answered += 1
        self._credit += 2

    def failed(self) -> None:
        """Record that a request failed."""
        self._credit += 1

    def pause(self, requested: float | None) -> float:
        """Begin a pause of the seconds that the server requests, if it names any; return the seconds that remain."""
        now = time.monotonic()
        if self._until > now and requested is None:
            return self._until - now  # the request was sent before the pause began
        if self._until <= now:
            self._credit, self._answered = max(self._answered, 1), 0
        seconds = self._next if requested is None else requested
        if requested is None:
            self._next = min(2 * self._next, LONGEST_PAUSE)
        self._until = max(self._until, now + min(seconds, LONGEST_PAUSE))
        return self._until - now


def limiter(per_minute: int | None) -> AsyncLimiter | None:
    """Return a limiter without bursts: at most the share of one second at once, or one."""
    return AsyncLimiter(max(per_minute / 60, 1), max(60 / per_minute, 1)) if per_minute else None


async def sleep(seconds: float, stopped: asyncio.Event) -> None:
    """Wait for some seconds, or until the round stops."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopped.wait()


def requested_pause(headers: Mapping[str, str]) -> float | None:
    """Return the pause in seconds that a server requests: `retry-after-ms`, or `Retry-After` as a number or a date."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(ValueError):
            seconds = float(headers.get(name, "")) * unit
            if 0 < seconds < float("inf"):
                return seconds
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        date = parsedate_to_datetime(headers.get("retry-after", ""))
        return max(date.timestamp() - time.time(), 0.0) or None
    return None
