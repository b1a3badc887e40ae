"""Cost of the answers of one language model, and its limit."""

from typing import TYPE_CHECKING

from clinragen.llm.journal import Entry

if TYPE_CHECKING:
    from clinragen.llm.client import Client


class Budget:
    """The budget of a model (`llm_transport.<name>.budget`): all its answers in the journal count, from any process.

    No new requests are sent once it is used up. Requests that were sent are still awaited, recorded and paid for, so
    the budget is exceeded by the price of at most `concurrency` answers (or one batch). Several processes that ask the
    same model read the journal after every 16 requests, so each may exceed it by as many.
    """

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._price, self.limit = client.transport.price, client.transport.budget
        self._position, self._written = 0, 0.0
        self._own = self._others = 0.0
        self._unknown = False

    @property
    def left(self) -> float:
        """US dollars that may still be spent; infinite without a budget."""
        return float("inf") if self.limit is None else self.limit - self._own - self._others

    def cost(self, input_tokens: float, output_tokens: float) -> float:
        """Return the price of these tokens in US dollars; 0 if the price is unknown."""
        return self._price.of(input_tokens, output_tokens) if self._price else 0.0

    def read(self) -> None:
        """Count the answers that other processes have added to the journal."""
        if self.limit is None:
            return
        self._position, *tokens = self._client.journal.spent(self._client.model, self._position)
        self._written += self.cost(*tokens)
        # Answers of this process are counted when they arrive and written a little later.
        self._others = max(self._others, self._written - self._own)

    def add(self, entry: Entry) -> None:
        """Count an answer of this process."""
        if self.limit is not None:
            self._own += self.cost(entry.prompt_tokens, entry.completion_tokens)
            self._unknown |= entry.status == "answered" and not (entry.prompt_tokens or entry.completion_tokens)

    def reached(self) -> str:
        """Return why no more requests may be sent; empty while the budget is not used up."""
        key = f"llm_transport.{self._client.name}.budget"
        if self._unknown:
            return f"{key} cannot be enforced, because the server does not report tokens; set it to null"
        if self.left > 0:
            return ""
        spent = self._own + self._others
        return f"{key} is used up (${spent:.4g} of ${self.limit:.4g}); raise it to continue"
