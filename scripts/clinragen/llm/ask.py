"""Asking a language model: a server, or the template stand-in."""

import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from clinragen.config.llms import Llm, Transport
from clinragen.errors import UserError
from clinragen.llm import template
from clinragen.llm.guard import locate, permit
from clinragen.llm.journal import FILE, Journal
from clinragen.llm.origin import restricted_origin
from clinragen.llm.request import WITHOUT_TEXT, Answer, Check, Request, identity_hash
from clinragen.runtime.context import Facts

log = logging.getLogger("llm")
TEMPLATE = "template LLM"


@dataclass(frozen=True)
class LanguageModel:
    """A row of `llms`, how it is reached (None: by no server), and the directory in which its answers are kept."""

    name: str
    llm: Llm
    transport: Transport | None
    answers: Path

    def key(self, request: Request) -> str:
        """Identity of a request, as in the journal."""
        return request.key(identity_hash(self.llm))

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
        facts.values["requests"] = {answer.request for answer in answers}
        facts.values["statuses"] = {f"{status}: {n}" for status, n in Counter(a.status for a in answers).items()}
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
        destination = locate(transport.base_url, transport.local_hosts, section)
        permit(
            destination,
            section=section,
            data_use=transport.data_use,
            allowed_hosts=transport.allowed_hosts,
            data=data,
            restricted=restricted_origin(inputs),
            stored=transport.batch,
        )
        with Journal(self.answers / FILE) as journal:
            answers = Client(self.name, self.llm, transport, destination, journal, check).ask(requests)
        paid = {answer.request: answer for answer in answers}.values()
        tokens = (sum(a.prompt_tokens for a in paid), sum(a.completion_tokens for a in paid))
        log.info("%s: %d requests answered; %d input tokens, %d output tokens", self.llm.model, len(paid), *tokens)
        self._refuse_too_many_failures(answers)
        return answers, {f"{self.llm.model}, served as {a.served_model}" for a in paid if a.served_model}

    def _refuse_too_many_failures(self, answers: list[Answer]) -> None:
        failed = Counter(answer.status for answer in answers if answer.status in WITHOUT_TEXT)
        number = sum(failed.values())
        if number > self.transport.max_failed * len(answers):
            kinds = ", ".join(f"{count} {status}" for status, count in sorted(failed.items()))
            raise UserError(
                f"{number} of {len(answers)} requests have no text ({kinds}), more than llm_transport.{self.name}."
                f"max_failed ({self.transport.max_failed:g}) allows. Their answers are saved in {self.answers / FILE}; "
                f"correct llms.{self.name}, or allow more"
            )
