"""Connections restricted to one server, at the addresses that the guard has checked."""

import ipaddress
import socket
import urllib.request
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import httpx2
import openai
from aiohttp.abc import AbstractResolver, ResolveResult
from openai._vendor.httpx_aiohttp.transport import AiohttpTransport

from clinragen.config.llms import Transport
from clinragen.errors import UserError
from clinragen.llm.api_key import api_key
from clinragen.llm.guard import Destination

LARGEST_RESPONSE = 16_000_000  # bytes
KEEPALIVE_SECONDS = 60.0
AddressInfo = tuple[Any, Any, Any, Any, Any]
"""Argument of a socket factory in `aiohttp`: family, type, protocol, canonical name, (address, port)."""


class WrongServer(OSError):
    """A connection to a server that the guard has not checked; nothing was sent."""


class UnacceptableResponse(httpx2.ReadError):
    """A response that is not read further: compressed, or too large."""


class PinnedResolver(AbstractResolver):
    """Resolves a host to the addresses of a destination, without a second DNS query.

    A second query could return other addresses than those that the guard has checked (DNS rebinding).
    """

    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of the destination; `WrongServer` for any other host."""
        if host.lower().rstrip(".") != self._destination.host:
            raise WrongServer(f"{host} is not {self._destination.host}")
        addresses = [(_family(address), address) for address in self._destination.addresses]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in addresses
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None:
        """Do nothing: no connection is open."""


class ExactTransport(AiohttpTransport):
    """The transport of the openai package, except that a refused connection is not reported as a timeout."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; ConnectError if the server cannot be reached or has an invalid certificate."""
        try:
            return await super().handle_async_request(request)
        except httpx2.ConnectTimeout as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
            raise httpx2.ConnectError(str(error)) from error.__cause__


def connect(
    transport: Transport, destination: Destination, section: str, largest: int = LARGEST_RESPONSE
) -> openai.AsyncOpenAI:
    """Return a client of the server without automatic retries; UserError if a required API key is missing.

    `largest` is the maximum size of a response in bytes.
    """
    return openai.AsyncOpenAI(
        base_url=transport.base_url,
        api_key=api_key(destination, transport.api_key_variable, section) or "none-needed",
        timeout=transport.timeout_seconds,
        max_retries=0,
        http_client=http_client(destination, transport.concurrency, largest=largest),
    )


def http_client(
    destination: Destination, max_connections: int | None = None, largest: int = LARGEST_RESPONSE
) -> httpx2.AsyncClient:
    """Return the client for `openai.AsyncOpenAI(http_client=...)`: requests reach the destination or fail.

    Redirects are not followed, because they could send a text to another server. A proxy named in the environment is
    used for servers that are not local. Certificates are checked against the host name; SSL_CERT_FILE may name those of
    a private authority. UserError for a proxy without an http(s) URL.
    """
    verify = httpx2.create_ssl_context(trust_env=True)
    limits = httpx2.Limits(
        max_connections=max_connections, max_keepalive_connections=max_connections, keepalive_expiry=KEEPALIVE_SECONDS
    )
    if proxy := proxy_of(destination):
        transport = ExactTransport(verify=verify, limits=limits, proxy=httpx2.Proxy(proxy))
    else:
        transport = ExactTransport(client=lambda: _session(destination, verify, max_connections))

    async def check_host(request: httpx2.Request) -> None:
        if request.url.host.lower().rstrip(".") != destination.host:
            raise WrongServer(f"{request.url.host} is not {destination.host}")

    return openai.DefaultAioHttpClient(
        transport=Bounded(transport, largest),
        trust_env=False,
        follow_redirects=False,
        event_hooks={"request": [check_host]},
    )


class Bounded(httpx2.AsyncBaseTransport):
    """Wraps a transport so that responses are uncompressed and of a bounded size."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, largest: int = LARGEST_RESPONSE) -> None:
        self._inner, self._largest = inner, largest

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # A small compressed response can have any size once it is decompressed.
        request.headers["Accept-Encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise UnacceptableResponse(
                "the server compresses its responses although it was asked not to", request=request
            )
        if not isinstance(response.stream, httpx2.AsyncByteStream):
            raise TypeError("the stream of an asynchronous response must be asynchronous")
        response.stream = _BoundedStream(response.stream, request, self._largest)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, request: httpx2.Request, largest: int) -> None:
        self._inner, self._request, self._largest = inner, request, largest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._inner:
            received += len(chunk)
            if received > self._largest:
                raise UnacceptableResponse(f"the response is larger than {self._largest} bytes", request=self._request)
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def proxy_of(destination: Destination) -> str | None:
    """Return the proxy that the environment names for a server; None for a local one, whose text must not leave.

    UserError for a proxy without an http(s) URL.
    """
    if destination.local or urllib.request.proxy_bypass(destination.host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get("https" if destination.https else "http") or proxies.get("all")
    if proxy and "://" not in proxy:
        return f"http://{proxy}"
    if proxy and not proxy.startswith(("http://", "https://")):
        raise UserError(
            f"the proxy that the environment names for {destination.host} is not an http(s) proxy; set HTTPS_PROXY to "
            f"an http(s) URL, or add {destination.host} to NO_PROXY"
        )
    return proxy or None


def _session(destination: Destination, verify: Any, max_connections: int | None) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        resolver=PinnedResolver(destination),
        # A literal address bypasses the resolver.
        socket_factory=_socket_factory(destination),
        use_dns_cache=False,
        ssl=verify,
        limit=max_connections or 0,
        keepalive_timeout=KEEPALIVE_SECONDS,
    )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


def _socket_factory(destination: Destination) -> Callable[[AddressInfo], socket.socket]:
    """Return a factory of sockets for the addresses of a destination; it raises `WrongServer` for any other."""
    allowed = {ipaddress.ip_address(address) for address in destination.addresses}

    def create(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, (address, *_) = info
        if ipaddress.ip_address(address) not in allowed:
            raise WrongServer(f"{address} is not an address of {destination.host}")
        return socket.socket(family=family, type=kind, proto=protocol)

    return create


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
