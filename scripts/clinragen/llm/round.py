"""One round of asking a server: its state, why it stops, and the error if requests remain."""

import asyncio
import contextlib
import logging
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from clinragen.errors import UserError
from clinragen.llm.budget import Budget
from clinragen.llm.request import Request

if TYPE_CHECKING:
    from clinragen.llm.client import Client

log = logging.getLogger("llm")


class Round(ABC):
    """Requests without an answer in the journal, and the state of asking for them.

    `failed` is the number of requests that are known to have no text.
    """

    def __init__(self, client: "Client", missing: list[Request], failed: int) -> None:
        self.client, self.missing, self.total, self.failed = client, missing, len(missing), failed
        self.budget = Budget(client)
        self.stopped = asyncio.Event()
        self.reason = ""
        self.failures: list[str] = []
        self.finished = 0

    @abstractmethod
    async def ask_all(self) -> None:
        """Ask until no request remains, or there is a reason to stop."""

    def stop(self, reason: str) -> None:
        """Send no new requests."""
        self.reason = self.reason or reason
        self.stopped.set()

    def report(self, total: int) -> None:
        """Raise UserError if requests remain; `total` includes those that were answered before."""
        if remaining := self.total - self.finished:
            raise UserError(
                f"llm_transport.{self.client.name}: {total - remaining} of {total} requests are answered and saved in "
                f"{self.client.journal.path}; then: {self.reason or self.failures[-1]}. Re-running requests only the "
                f"remaining {remaining}"
            )


@contextlib.contextmanager
def stop_on_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[str], None]) -> Iterator[None]:
    """Stop cleanly on the first SIGINT or SIGTERM; a second one ends the process."""

    def first(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        log.warning("%s: waiting for the answers to requests that were sent", number.name)
        stop(f"interrupted by {number.name}")

    caught = (signal.SIGINT, signal.SIGTERM)
    # Only the main thread can handle signals.
    with contextlib.suppress(ValueError, RuntimeError):
        for number in caught:
            loop.add_signal_handler(number, first, number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
