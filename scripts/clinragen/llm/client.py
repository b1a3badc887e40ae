"""Asynchronous client for OpenAI-compatible servers: concurrency, retries, no duplicate requests."""

import asyncio
import itertools
import logging
import random
import re
import time
from datetime import UTC, datetime

import openai

from clinragen.config.teacher import Teacher, Transport
from clinragen.errors import UserError
from clinragen.llm.api_key import api_key
from clinragen.llm.guard import host_of, locate
from clinragen.llm.journal import Entry, Journal
from clinragen.llm.request import Check, Request, parameters, request_hash
from clinragen.runtime.progress import Progress

log = logging.getLogger("llm")
FIRST_WAIT = 1.0  # seconds; doubled after every failure
LONGEST_WAIT = 60.0  # seconds, also for what a server asks for
# Abort after this many consecutive failed requests.
FAILURES_IN_A_ROW = 3
STOPPING = {401: "API key rejected", 403: "access denied", 404: "unknown model or URL"}


class RequestFailed(Exception):
    """One request has no answer; the others may still get theirs."""


class FatalError(Exception):
    """No request can succeed."""


def fetch(requests: list[Request], settings: Teacher, transport: Transport, journal: Journal, check: Check) -> None:
    """Add an answer to every request to the journal, requesting only missing ones.

    UserError says how many are answered when some could not be; a rerun continues there.
    """
    missing = [r for r in requests if not accepted_answer(r, settings, journal, check)]
    log.info("%s: %d requests, %d already answered", settings.model, len(requests), len(requests) - len(missing))
    if missing:
        asyncio.run(_fetch(missing, len(requests), settings, transport, journal, check))


def accepted_answer(request: Request, settings: Teacher, journal: Journal, check: Check) -> Entry | None:
    """The answer that counts: the first good one, or the last when the repairs are used up, or none yet."""
    answers = journal.answers(request_hash(request, settings))
    for answer in answers:
        if not problems_with(request, answer, check):
            return answer
    return answers[-1] if len(answers) > settings.repairs else None


def problems_with(request: Request, answer: Entry, check: Check) -> list[str]:
    """What is wrong with an answer; nothing when it is good."""
    cut = ["it was cut off at teacher.max_tokens"] if answer.finish_reason == "length" else []
    return cut + check(request, answer.text)


async def _fetch(
    missing: list[Request], total: int, settings: Teacher, transport: Transport, journal: Journal, check: Check
) -> None:
    failures: list[str] = []
    in_a_row = 0
    hopeless = ""
    waiting = iter(missing)

    async def work(client: openai.AsyncOpenAI, bar: Progress) -> None:
        nonlocal in_a_row, hopeless
        for request in waiting:
            try:
                await _ask_until_accepted(client, request, settings, transport, journal, check)
                in_a_row = 0
                bar.advance()
            except RequestFailed as error:
                failures.append(str(error))
                in_a_row += 1
                if in_a_row >= FAILURES_IN_A_ROW:
                    hopeless = hopeless or str(error)
            except (FatalError, UserError) as error:
                hopeless = hopeless or str(error)
            # Requests in progress are paid for, so they are awaited; no new ones are sent.
            if hopeless:
                return

    with Progress("answers", len(missing)) as bar:
        async with _client(transport) as client, asyncio.TaskGroup() as group:
            for _ in range(min(transport.concurrency, len(missing))):
                group.create_task(work(client, bar))
    unanswered = sum(accepted_answer(r, settings, journal, check) is None for r in missing)
    if unanswered:
        raise UserError(
            f"{host_of(transport.base_url)}: {total - unanswered} of {total} requests are answered and saved in "
            f"{journal.path}; then: {hopeless or failures[-1]}. Re-running requests only the remaining {unanswered}"
        )


async def _ask_until_accepted(
    client: openai.AsyncOpenAI,
    request: Request,
    settings: Teacher,
    transport: Transport,
    journal: Journal,
    check: Check,
) -> None:
    """Ask, and ask for repairs while the checks object, until the request is accepted_answer."""
    name = request_hash(request, settings)
    while accepted_answer(request, settings, journal, check) is None:
        earlier = journal.answers(name)
        messages = [{"role": "user", "content": request.prompt}]
        if earlier:
            wrong = problems_with(request, earlier[-1], check)
            log.info("%s %s: requesting a correction: %s", request.task, name[:12], "; ".join(wrong))
            messages += [
                {"role": "assistant", "content": earlier[-1].text},
                {"role": "user", "content": f"This does not fit: {'; '.join(wrong)}. Write the complete answer again."},
            ]
        journal.append(await _ask(client, request, messages, len(earlier), settings, transport))


async def _ask(
    client: openai.AsyncOpenAI,
    request: Request,
    messages: list[dict[str, str]],
    attempt: int,
    settings: Teacher,
    transport: Transport,
) -> Entry:
    """One answer, through whatever passes with waiting."""
    name = request_hash(request, settings)
    reason = ""
    for failed in itertools.count():
        started = time.monotonic()
        asked_wait = None
        try:
            reply = await client.chat.completions.create(
                model=settings.model, messages=messages, **parameters(settings)
            )
            choice = _choice(reply)
        except openai.APIStatusError as error:
            reason = _describe(error)
            if error.status_code in STOPPING:
                raise FatalError(reason) from None
            if error.status_code < 500 and error.status_code not in (408, 409, 429):
                raise RequestFailed(reason) from None
            asked_wait = _retry_after(error.response.headers.get("retry-after"))
        except openai.APITimeoutError:
            reason = f"no response within teacher_transport.timeout_seconds ({transport.timeout_seconds:g} s)"
        except openai.APIConnectionError as error:
            reason = f"the connection failed ({type(error.__cause__ or error).__name__})"
        except (openai.APIResponseValidationError, ValueError, AttributeError, TypeError, IndexError):
            reason = "the server returned an invalid response"
        else:
            usage = getattr(reply, "usage", None)
            return Entry(
                request=name,
                attempt=attempt,
                task=request.task,
                model=settings.model,
                served_model=str(reply.model),
                prompt_version=request.prompt_version,
                parameters=parameters(settings),
                text=choice.message.content,
                finish_reason=str(choice.finish_reason),
                prompt_tokens=getattr(usage, "prompt_tokens", None) or 0,
                completion_tokens=getattr(usage, "completion_tokens", None) or 0,
                seconds=round(time.monotonic() - started, 3),
                time=datetime.now(UTC).isoformat(timespec="seconds"),
            )
        if failed >= transport.retries:
            raise RequestFailed(f"{reason} ({failed + 1} attempts)")
        wait = asked_wait or FIRST_WAIT * 2**failed * random.uniform(0.75, 1.25)
        wait = min(wait, LONGEST_WAIT)
        log.info("%s %s: %s; retrying in %.1f s", request.task, name[:12], reason, wait)
        await asyncio.sleep(wait)
    raise AssertionError("unreachable")


def _choice(reply: object) -> object:
    """The first choice of a reply; ValueError when it says nothing."""
    choice = reply.choices[0]
    if not isinstance(choice.message.content, str) or not choice.message.content.strip():
        raise ValueError("empty")
    return choice


def _describe(error: openai.APIStatusError) -> str:
    """Status and error code. The server's own message may quote the prompt or the key: it is left out."""
    code = error.code if isinstance(error.code, str) and re.fullmatch(r"[a-z_]{1,60}", error.code) else ""
    meaning = STOPPING.get(error.status_code, "")
    return ", ".join(part for part in (f"HTTP status {error.status_code}", meaning, code) if part)


def _retry_after(value: str | None) -> float | None:
    """Seconds that a server asks to wait, where it gives a positive number of them."""
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return seconds if seconds > 0 else None


def _client(transport: Transport) -> openai.AsyncOpenAI:
    destination = locate(transport.base_url, section="teacher_transport")
    # A redirect or a proxy could carry what was meant for a local server to another one.
    http = openai.DefaultAsyncHttpxClient(follow_redirects=False, trust_env=not destination.local)
    return openai.AsyncOpenAI(
        base_url=transport.base_url,
        api_key=api_key(destination, transport.api_key_variable, "teacher_transport") or "none-needed",
        timeout=transport.timeout_seconds,
        max_retries=0,
        http_client=http,
    )
