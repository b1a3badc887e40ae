"""Requests to a public service: rate-limited, retried, and each question only once."""

import logging
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from clinragen.errors import UserError
from clinragen.knowledge.responses import LONGEST_PAUSE, Request, Response, Responses

log = logging.getLogger("service")
ATTEMPTS = 6
FIRST_WAIT = 2.0  # seconds; doubled after every failure
TIMEOUT = 60.0  # seconds without a byte
DEADLINE = 300.0  # seconds for a whole response
LARGEST = 64_000_000  # bytes of a response
PASSING = (408, 425, 429)  # client errors that are temporary


class Failure(Exception):
    """No usable response. The text names the reason only: responses may contain the API key."""

    def __init__(self, reason: str, wait: float | None = None, final: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.final = final


@dataclass(frozen=True)
class Service:
    """A public service as one job uses it."""

    name: str
    title: str
    interval: float
    """Seconds between requests, over all processes."""
    setting: str
    """The key of the configuration that holds its address."""


def ask(
    service: Service,
    responses: Responses,
    request: Request,
    send: Callable[[Request], bytes],
    check: Callable[[bytes], object],
) -> Response:
    """Return the stored response, else a fetched one, which is stored if `check` accepts it.

    `send` and `check` raise Failure; UserError after the last attempt.
    """
    if stored := responses.get(request):
        return stored
    for attempt in range(1, ATTEMPTS + 1):
        time.sleep(responses.turn(service.name, service.interval))
        try:
            body = send(request)
            check(body)
        except Failure as failure:
            if failure.final or attempt == ATTEMPTS:
                raise _given_up(service, failure, attempt) from None
            log.info("%s: %s; retrying", service.title, failure)
            wait = FIRST_WAIT * 2 ** (attempt - 1) if failure.wait is None else failure.wait
            responses.pause(service.name, wait * random.uniform(1, 1.25))
        else:
            return responses.keep(request, Response(body, datetime.now(UTC).replace(microsecond=0)))
    raise AssertionError("unreachable")


def _given_up(service: Service, failure: Failure, attempts: int) -> UserError:
    return UserError(
        f"{service.title} returned no valid response ({failure}, {attempts} attempt{'s' * (attempts > 1)}); check "
        f"{service.setting} and the network, then re-run: fetched responses are kept"
    )


def refused(status: int, retry_after: str | None) -> Failure:
    """Return the failure for an HTTP status other than 200."""
    passing = status >= 500 or status in PASSING
    return Failure(f"HTTP status {status}", wait=seconds(retry_after) if passing else None, final=not passing)


def seconds(retry_after: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or a date; None without a readable one."""
    text = (retry_after or "").strip()
    try:
        wait = float(text) if text.isdigit() else (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, 0.0), LONGEST_PAUSE)


def collect(chunks: Iterable[bytes], length: str | None = None) -> bytes:
    """Join a whole body from its pieces; Failure if it is too large or too slow, or shorter than announced."""
    started, body = time.monotonic(), bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > LARGEST:
            raise Failure(f"a response above {LARGEST} bytes", final=True)
        if time.monotonic() - started > DEADLINE:
            raise Failure(f"a response that takes more than {DEADLINE:.0f} seconds")
    if length is not None and length.isdigit() and len(body) < int(length):
        raise Failure("a truncated response")
    return bytes(body)
