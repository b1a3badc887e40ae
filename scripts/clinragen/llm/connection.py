"""The connection to a server: no redirect, no proxy for a local one, no answer without end."""

from collections.abc import AsyncIterator

import httpx2
import openai
from openai import DefaultAioHttpClient
from openai._vendor.httpx_aiohttp import AiohttpTransport

from clinragen.config.llms import Transport
from clinragen.llm.api_key import api_key
from clinragen.llm.guard import host_of, is_local

LARGEST_RESPONSE = 16_000_000  # bytes


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Another transport, whose responses are uncompressed and of a bounded size."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # What is small when compressed may be of any size afterwards.
        request.headers["Accept-Encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx2.ReadError("the server compresses its responses although it was asked not to", request=request)
        response.stream = _Bounded(response.stream, request)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, request: httpx2.Request) -> None:
        self._inner, self._request = inner, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._inner:
            received += len(chunk)
            if received > LARGEST_RESPONSE:
                raise httpx2.ReadError(f"the response is larger than {LARGEST_RESPONSE} bytes", request=self._request)
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def connect(transport: Transport) -> openai.AsyncOpenAI:
    """A client of the server, which retries nothing by itself."""
    local = is_local(host_of(transport.base_url))
    limits = httpx2.Limits(max_connections=transport.concurrency, max_keepalive_connections=transport.concurrency)
    # A redirect or a proxy could carry what was meant for a local server to another one.
    inner = AiohttpTransport(limits=limits, trust_env=not local)
    http = DefaultAioHttpClient(transport=BoundedTransport(inner), follow_redirects=False, trust_env=not local)
    return openai.AsyncOpenAI(
        base_url=transport.base_url,
        api_key=api_key(transport) or "none-needed",
        timeout=transport.timeout_seconds,
        max_retries=0,
        http_client=http,
    )
