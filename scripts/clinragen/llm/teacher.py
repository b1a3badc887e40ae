"""The teacher: answers to requests, from a server or from the template stand-in."""

import logging
from collections import Counter
from pathlib import Path

from clinragen.config.teacher import Teacher, Transport
from clinragen.llm import template_teacher
from clinragen.llm.guard import locate, open_by_config, permit
from clinragen.llm.journal import Journal
from clinragen.llm.request import Answer, Check, Request, request_hash
from clinragen.runtime.context import Facts

log = logging.getLogger("llm")


def ask(
    requests: list[Request],
    settings: Teacher,
    transport: Transport,
    journal: Path,
    data: str,
    source: str,
    check: Check,
) -> tuple[list[Answer], Facts]:
    """Answers in the order of the requests, and which requests, prompts and models they came from.

    `data` and `source` say whose text the prompts hold (see `guard.permit`); `check` names what is wrong
    with an answer, which is then asked for again, up to `settings.repairs` times, and kept after that.
    UserError when the text may not go to the server or when some requests stay without an answer.
    """
    facts = Facts(
        {
            "requests": {request_hash(request, settings) for request in requests},
            "prompt_versions": {request.prompt_version for request in requests},
        }
    )
    if settings.provider == "template":
        facts.values["models"] = {"template"}
        facts.stand_ins = {"template teacher"}
        texts = template_teacher.compose(requests)
        answers = [
            Answer(request_hash(request, settings), text, tuple(check(request, text)))
            for request, text in zip(requests, texts, strict=True)
        ]
    else:
        destination = locate(transport.base_url, section="teacher_transport")
        permit(
            destination,
            section="teacher_transport",
            data_use=transport.data_use,
            # The section has no `allowed_hosts` and no records at hand yet: as before, any https host is taken.
            allowed_hosts=[destination.host],
            data=data,
            restricted=[] if open_by_config(source) else [f"its source is {source}"],
        )
        answers, facts.values["models"] = _ask_server(requests, settings, transport, journal, check)
    flagged = Counter(problem for answer in answers for problem in answer.problems)
    for problem, count in flagged.most_common(10):
        log.warning("%d of %d answers kept despite failing a check: %s", count, len(answers), problem)
    return answers, facts


def _ask_server(
    requests: list[Request], settings: Teacher, transport: Transport, journal: Path, check: Check
) -> tuple[list[Answer], set[str]]:
    # The client library is needed here only; the stand-in works without it.
    from clinragen.llm.client import accepted_answer, fetch, problems_with

    unique = list({request_hash(r, settings): r for r in requests}.values())
    with Journal(journal) as book:
        fetch(unique, settings, transport, book, check)
        spent = [entry for r in unique for entry in book.answers(request_hash(r, settings))]
        log.info(
            "%s: %d answers to %d requests; %d input tokens, %d output tokens, %.0f s in total",
            settings.model,
            len(spent),
            len(unique),
            sum(e.prompt_tokens for e in spent),
            sum(e.completion_tokens for e in spent),
            sum(e.seconds for e in spent),
        )
        answers = []
        for request in requests:
            entry = accepted_answer(request, settings, book, check)
            answers.append(Answer(entry.request, entry.text.strip(), tuple(problems_with(request, entry, check))))
    return answers, {f"{e.model}, served as {e.served_model}" for e in spent}
