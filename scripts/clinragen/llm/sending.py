"""Content of a request for an endpoint, and the meaning of errors while it is sent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Literal

import openai

from clinragen.config.llms import Llm
from clinragen.llm.connection import UnacceptableResponse
from clinragen.llm.reply import INVALID_RESPONSE, TransientError

Endpoint = Literal["/v1/chat/completions", "/v1/completions"]
ENDPOINTS: dict[str, Endpoint] = {"chat": "/v1/chat/completions", "completions": "/v1/completions"}


def path_of(llm: Llm) -> str:
    """Return the path of a model's endpoint below `base_url`."""
    return ENDPOINTS[llm.endpoint].removeprefix("/v1")


def body_of(llm: Llm, messages: list[dict[str, str]], parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a request, in the format of the model's endpoint."""
    if llm.endpoint == "chat":
        return {"model": llm.model, "messages": messages, **parameters}
    return {"model": llm.model, "prompt": "\n\n".join(message["content"] for message in messages), **parameters}


@contextlib.asynccontextmanager
async def sending(seconds: float) -> AsyncIterator[None]:
    """Limit the time of a call to `seconds`; TransientError if no valid response arrives."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except openai.APIStatusError:
        raise
    except TimeoutError:
        raise TransientError(f"no complete answer within timeout_seconds ({seconds:g} s)") from None
    except openai.APIConnectionError as error:
        cause = root_cause(error)
        if isinstance(cause, UnacceptableResponse):
            raise TransientError(str(cause)) from None
        raise TransientError(f"the connection failed ({type(cause).__name__})", gone=True) from None
    except (openai.APIResponseValidationError, ValueError, RecursionError, AttributeError, TypeError):
        raise TransientError(INVALID_RESPONSE) from None


def root_cause(error: BaseException) -> BaseException:
    """Return the first error of a chain, which is more specific than those raised from it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
