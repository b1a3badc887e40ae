"""What the answers of one language model have cost, and whether that is all they may cost."""

from typing import TYPE_CHECKING

from clinragen.llm.journal import Entry

if TYPE_CHECKING:
    from clinragen.llm.client import Client


class Budget:
    """The money for a model (`llm_transport.<name>.budget`): all its answers in the journal count, whoever asked.

    Nothing new is asked once it is used up. Answers to requests under way then are awaited, written down and paid, so
    it is exceeded by the price of at most `concurrency` answers (of one batch, where requests go in batches). Each of
    several processes that ask the same model looks at the journal whenever it takes up 16 more requests, so each may
    exceed it by as many.
    """

    def __init__(self, client: "Client") -> None:
        self._client = client
        self.price, self.limit = client.transport.price, client.transport.budget
        self._place, self._written = 0, 0.0
        self._own = self._others = 0.0
        self._unknown = False

    @property
    def left(self) -> float:
        """US dollars that may still be spent; infinite without a budget."""
        return float("inf") if self.limit is None else self.limit - self._own - self._others

    def read(self) -> None:
        """Take up what others have written to the journal."""
        if self.limit is None:
            return
        self._place, *tokens = self._client.journal.spent(self._client.model, self._place)
        self._written += self.price.of(*tokens)
        # Own answers count from the moment they come, and are written a little later.
        self._others = max(self._others, self._written - self._own)

    def add(self, entry: Entry) -> None:
        """Count an answer of this process."""
        if self.limit is not None:
            self._own += self.price.of(entry.prompt_tokens, entry.completion_tokens)
            self._unknown |= entry.status == "answered" and not (entry.prompt_tokens or entry.completion_tokens)

    def reached(self) -> str:
        """Why nothing more may be asked; empty while there is money."""
        key = f"llm_transport.{self._client.name}.budget"
        if self._unknown:
            return f"{key} cannot be kept, because the server does not report the tokens of its answers; set it to null"
        if self.left > 0:
            return ""
        spent = self._own + self._others
        return f"{key} is used up (${spent:.4g} of ${self.limit:.4g}); raise it to go on"
