"""Ask a language model: a server, or the template stand-in."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from clinragen.config.llms import Llm, Server, Transport
from clinragen.errors import UserError
from clinragen.llm import template
from clinragen.llm.guard import locate, permit
from clinragen.llm.journal import FILE, Journal
from clinragen.llm.origin import restricted_origin
from clinragen.llm.request import WITHOUT_TEXT, Answer, Check, Request, identity_hash
from clinragen.llm.serve import LOOPBACK, ServedModel
from clinragen.runtime.context import Facts

if TYPE_CHECKING:
    from clinragen.llm.client import Client

log = logging.getLogger("llm")
TEMPLATE = "template LLM"
RESTARTS = 3  # of the server of a served model that dies while it is in use


@dataclass(frozen=True)
class LanguageModel:
    """A row of `llms` with its connection and the directory of its answers."""

    name: str
    llm: Llm
    transport: Transport | None
    """None for the template stand-in, which has no server."""
    answers: Path
    weights: Sequence[Path] = ()
    """The directory of a served model."""
    statuses: Counter[str] = field(default_factory=Counter, compare=False)
    """Statuses of all answers so far; a step may ask several times."""

    @cached_property
    def server(self) -> ServedModel:
        """The server of a served model, which is started on demand and ends with this process."""
        return ServedModel(self.name, self.llm, self._server_settings, self._snapshot, self.answers / "servers")

    def key(self, request: Request) -> str:
        """Return the identity of a request, as in the journal."""
        return request.key(identity_hash(self.llm, self._snapshot), self.llm.json_schema)

    # The configuration is validated with the same messages before a job starts.

    @property
    def _connection(self) -> Transport:
        if self.transport is None:
            raise UserError(f"llm_transport.{self.name} is missing; add a row with its base_url")
        return self.transport

    @property
    def _server_settings(self) -> Server:
        if self._connection.server is None:
            raise UserError(f"llm_transport.{self.name}.server: missing; provider served needs the server's command")
        return self._connection.server

    @property
    def _snapshot(self) -> Path | None:
        return next(iter(self.weights), None)

    def ask(self, requests: list[Request], data: str, inputs: list[Path], check: Check) -> tuple[list[Answer], Facts]:
        """Return answers in the order of the requests, and facts for the record: requests, prompts and models.

        `data` names the text of the prompts in messages; the records of the files in `inputs` decide whether it may be
        sent (`guard.permit`). `check` returns the problems of an answer. An answer with problems is requested again up
        to `repairs` times, and then kept and marked.

        UserError if the text may not be sent to the server, if requests remain without an answer, or if more answers
        than `max_failed` allows have no text.
        """
        facts = Facts({"prompt_versions": {request.prompt_version for request in requests}})
        if self.llm.provider == "template":
            facts.values["models"], facts.stand_ins = {"template"}, {TEMPLATE}
            answers = self._compose(requests, check)
        else:
            answers, facts.values["models"] = self._ask_server(requests, data, inputs, check)
        self.statuses.update(answer.status for answer in answers)
        self._refuse_too_many_failures()
        facts.values["requests"] = {answer.request for answer in answers}
        facts.values["statuses"] = counted(Counter(answer.status for answer in answers))
        for problem, count in Counter(p for answer in answers for p in answer.problems).most_common(10):
            log.warning("%d of %d answers fail a check: %s", count, len(answers), problem)
        return answers, facts

    def _compose(self, requests: list[Request], check: Check) -> list[Answer]:
        answers = []
        for request, text in zip(requests, template.compose(requests), strict=True):
            problems = tuple(check(request, text))
            answers.append(Answer(self.key(request), text, "flawed" if problems else "good", problems))
        return answers

    def _ask_server(
        self, requests: list[Request], data: str, inputs: list[Path], check: Check
    ) -> tuple[list[Answer], set[str]]:
        # Imported here, because the stand-in works without the client library.
        from clinragen.llm.client import Client

        section, transport = f"llm_transport.{self.name}", self._connection
        destination = locate(transport.base_url or f"http://{LOOPBACK}", transport.local_hosts, section)
        permit(
            destination,
            section=section,
            data_use=transport.data_use,
            allowed_hosts=transport.allowed_hosts,
            data=data,
            restricted=restricted_origin(inputs),
            stored=transport.batch,
        )
        allowed = transport.max_failed * (self.statuses.total() + len(requests)) - sum(self._failed().values())
        with Journal(self.answers / FILE) as journal:
            client = Client(
                self.name, self.llm, transport, destination, journal, check, failures=allowed, weights=self._snapshot
            )
            answers = self._ask_served(client, requests) if transport.server else client.ask(requests)
        paid = {answer.request: answer for answer in answers}.values()
        tokens = (sum(a.prompt_tokens for a in paid), sum(a.completion_tokens for a in paid))
        log.info("%s: %d requests answered; %d input tokens, %d output tokens", self.llm.model, len(paid), *tokens)
        return answers, {f"{self.llm.model}, served as {a.served_model}" for a in paid if a.served_model}

    def _ask_served(self, client: "Client", requests: list[Request]) -> list[Answer]:
        """Return the answers of a server that is started if any answer is missing, and restarted if it dies."""
        restarts = 0
        while not client.is_answered(requests):
            self.server.start()
            connection = self._connection.model_copy(update={"base_url": self.server.base_url})
            try:
                return replace(client, transport=connection, ended=self.server.ended).ask(requests)
            except UserError as error:
                # A connection breaks a moment before the process ends.
                if restarts == RESTARTS or not self.server.ended(seconds=1.0):
                    raise
                restarts += 1
                log.warning("%s. Restarting the server", error)
        return client.ask(requests)

    def _failed(self) -> dict[str, int]:
        return {status: n for status, n in sorted(self.statuses.items()) if status in WITHOUT_TEXT}

    def _refuse_too_many_failures(self) -> None:
        failed = self._failed()
        number, total = sum(failed.values()), self.statuses.total()
        if failed and number > self._connection.max_failed * total:
            counts = ", ".join(f"{n} {status}" for status, n in failed.items())
            raise UserError(
                f"{number} of {total} answers have no text ({counts}), more than llm_transport.{self.name}."
                f"max_failed ({self._connection.max_failed:g}) allows. All answers are saved in "
                f"{self.answers / FILE}; correct llms.{self.name}, or raise max_failed"
            )


def counted(numbers: Counter[str]) -> set[str]:
    """Return counts by name as the values of a fact."""
    return {f"{name}: {number}" for name, number in numbers.items()}
