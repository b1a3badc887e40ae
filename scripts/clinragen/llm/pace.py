"""How fast a server is asked: its rates, and the pauses it asks for, shared by all requests."""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from aiolimiter import AsyncLimiter

from clinragen.config.llms import Transport

FIRST_PAUSE = 0.5  # seconds; doubled while nothing is answered
LONGEST_PAUSE = 60.0  # seconds, also for what a server asks for
WITHOUT_CREDIT = 0.02  # seconds until a request that has to wait for an answer to another looks again
JITTER = 0.05  # share of a pause by which it is prolonged, so that not all come back at once


class Pace:
    """Rates and pauses of one server.

    After a pause as many requests are sent as were answered since the pause before, and two more with each answer: a
    server that answers ten a second is not asked by 64 at once each time.
    """

    def __init__(self, transport: Transport) -> None:
        self._requests, self._tokens = map(limiter, (transport.requests_per_minute, transport.tokens_per_minute))
        self._until = 0.0
        self._next = FIRST_PAUSE
        self._answered = 0
        self._credit = math.inf

    async def turn(self, tokens: int, stopped: asyncio.Event) -> None:
        """Return when a request of so many tokens may be sent, or everything is to stop.

        Every turn is followed by `answered`, `failed` or `pause`.
        """
        if self._requests:
            await self._requests.acquire()
        while self._tokens and tokens > 0:
            part = min(tokens, self._tokens.max_rate)
            await self._tokens.acquire(part)
            tokens -= part
        while not stopped.is_set():
            if (left := self._until - time.monotonic()) > 0:
                await sleep(left * random.uniform(1, 1 + JITTER), stopped)
            elif self._credit < 1:
                await sleep(WITHOUT_CREDIT, stopped)
            else:
                break
        self._credit -= 1

    def answered(self) -> None:
        """Note that the server answered."""
        self._next = FIRST_PAUSE
        self._answered += 1
        self._credit += 2

    def failed(self) -> None:
        """Note that a request came to nothing."""
        self._credit += 1

    def pause(self, asked: float | None) -> float:
        """Note that the server wants fewer requests, for so many seconds if it says so; the seconds that all wait."""
        now = time.monotonic()
        if self._until > now and asked is None:
            return self._until - now  # sent before the pause began
        if self._until <= now:
            self._credit, self._answered = max(self._answered, 1), 0
        seconds = self._next if asked is None else asked
        if asked is None:
            self._next = min(2 * self._next, LONGEST_PAUSE)
        self._until = max(self._until, now + min(seconds, LONGEST_PAUSE))
        return self._until - now


def limiter(a_minute: int | None) -> AsyncLimiter | None:
    """A limiter that lets no more through than what a second allows, or one: a burst would exceed the rate."""
    return AsyncLimiter(max(a_minute / 60, 1), max(60 / a_minute, 1)) if a_minute else None


async def sleep(seconds: float, stopped: asyncio.Event) -> None:
    """Wait, but not longer than until everything is to stop."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopped.wait()


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait (`retry-after-ms`, `Retry-After` as a number or a date); None without."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(ValueError):
            seconds = float(headers.get(name, "")) * unit
            if 0 < seconds < float("inf"):
                return seconds
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        date = parsedate_to_datetime(headers.get("retry-after", ""))
        return max(date.timestamp() - time.time(), 0.0) or None
    return None
