"""Asking a language model: a server, or the template stand-in."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from clinragen.config.llms import Llm, Transport
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
RESTARTS = 3  # of a served model's server that dies while it is asked


@dataclass(frozen=True)
class LanguageModel:
    """A row of `llms`, how it is reached (None: by no server), and the directory in which its answers are kept.

    `weights` holds the directory of a model that is served.
    """

    name: str
    llm: Llm
    transport: Transport | None
    answers: Path
    weights: Sequence[Path] = ()
    statuses: Counter[str] = field(default_factory=Counter, compare=False)
    """Of all answers so far: a step may ask several times."""

    @cached_property
    def server(self) -> ServedModel:
        """The server of a served model: it is started when something is to be asked, and ends with this process."""
        return ServedModel(self.name, self.llm, self.transport.server, self._snapshot, self.answers / "servers")

    def key(self, request: Request) -> str:
        """Identity of a request, as in the journal."""
        return request.key(identity_hash(self.llm, self._snapshot), self.llm.json_schema)

    @property
    def _snapshot(self) -> Path | None:
        return next(iter(self.weights), None)

    def ask(self, requests: list[Request], data: str, inputs: list[Path], check: Check) -> tuple[list[Answer], Facts]:
        """Answers in the order of the requests, and which requests, prompts and models they came from.

        `data` names the text of the prompts, `inputs` are the files from which it comes: their records decide whether
        it may be sent (`guard.permit`). `check` names what is wrong with an answer, which is then asked for again, up
        to `repairs` times, and kept and marked after that.

        UserError when the text may not go to the server, when requests stay without an answer, or when more of them
        than `max_failed` allows have an answer without a text.
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
            log.warning("%d of %d answers are marked: %s", count, len(answers), problem)
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
        # The client library is needed here only; the stand-in works without it.
        from clinragen.llm.client import Client

        section, transport = f"llm_transport.{self.name}", self.transport
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
        """Answers of a server that is started if one is missing, and again if it dies meanwhile."""
        restarts = 0
        while not client.is_answered(requests):
            self.server.start()
            reached = self.transport.model_copy(update={"base_url": self.server.base_url})
            try:
                return replace(client, transport=reached, ended=self.server.ended).ask(requests)
            except UserError as error:
                # A connection breaks a moment before the process is gone.
                if restarts == RESTARTS or not self.server.ended(seconds=1.0):
                    raise
                restarts += 1
                log.warning("%s. Starting the server again", error)
        return client.ask(requests)

    def _failed(self) -> dict[str, int]:
        return {status: n for status, n in sorted(self.statuses.items()) if status in WITHOUT_TEXT}

    def _refuse_too_many_failures(self) -> None:
        failed = self._failed()
        number, total = sum(failed.values()), self.statuses.total()
        if failed and number > self.transport.max_failed * total:
            kinds = ", ".join(f"{n} {status}" for status, n in failed.items())
            raise UserError(
                f"{number} of {total} requests have no text ({kinds}), more than llm_transport.{self.name}."
                f"max_failed ({self.transport.max_failed:g}) allows. Their answers are saved in {self.answers / FILE}; "
                f"correct llms.{self.name}, or allow more"
            )


def counted(numbers: Counter[str]) -> set[str]:
    """Counts by name as the values of a fact."""
    return {f"{name}: {number}" for name, number in numbers.items()}
