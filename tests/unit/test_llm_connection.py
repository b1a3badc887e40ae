"""Connections reach only the addresses that the guard has checked, over real sockets and real TLS."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

import httpx2
import openai
import pytest

from clinragen.errors import UserError
from clinragen.llm.connection import PinnedResolver, WrongServer, http_client, proxy_of
from clinragen.llm.guard import Destination, locate

HOST = "gpu07.hpc.example.edu"
COMPLETION = (
    b'{"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason":'
    b' "stop", "message": {"role": "assistant", "content": "yes"}}]}'
)
VARIABLES = [name for word in ("http", "https", "all", "no") for name in (f"{word}_proxy", f"{word}_PROXY".upper())]


class Server(ThreadingTCPServer):
    """A server with one response to all requests, which counts connections and requests."""

    daemon_threads = True
    redirect_to = ""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.connections, self.requests, self.names = 0, [], []
        self.context = context
        if context:
            context.sni_callback = lambda _, name, __: self.names.append(name)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def get_request(self):
        connection, address = super().get_request()
        self.connections += 1
        if self.context:
            connection = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client_address):
        """Ignore errors: clients that abort a handshake are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.path, dict(self.headers)))
        self.send_response(307 if self.server.redirect_to else 200)
        self.send_header("Location", self.server.redirect_to)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(COMPLETION)))
        self.end_headers()
        self.wfile.write(COMPLETION)

    do_GET = do_POST = answer

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def servers() -> Iterator[Callable[..., Server]]:
    running: list[Server] = []

    def start(context: ssl.SSLContext | None = None) -> Server:
        running.append(Server(context))
        return running[-1]

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> Callable[[str], str]:
    """Return PEM files with key and self-signed certificate, by host."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    directory, made = tmp_path_factory.mktemp("tls"), {}

    def make(host: str) -> str:
        if host not in made:
            key, cert, made[host] = directory / f"{host}.key", directory / f"{host}.crt", str(directory / f"{host}.pem")
            names = ("-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}")
            command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
            subprocess.run([*command, *names, "-keyout", key, "-out", cert], check=True, capture_output=True)
            (directory / f"{host}.pem").write_bytes(key.read_bytes() + cert.read_bytes())
        return made[host]

    return make


@pytest.fixture
def tls(certificate, monkeypatch) -> Callable[..., ssl.SSLContext]:
    """Return the TLS context of a server with a certificate for a host; clients trust it by default."""

    def make(host: str, trusted: bool = True) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(host))
        monkeypatch.setenv("SSL_CERT_FILE", certificate(host if trusted else "other.example.org"))
        return context

    return make


@pytest.fixture
def rebinding(monkeypatch) -> list[str]:
    """Resolve to 127.0.0.1 once, and then to an address of the attacker; return the hosts that were queried."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **options):
        if host.replace(".", "").isdigit():
            return real(host, port, *args, **options)
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "127.0.0.66", port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def destination(host: str = HOST, *addresses: str, local: bool = True, https: bool = False) -> Destination:
    return Destination(host, addresses or ("127.0.0.1",), local, https)


def get(place: Destination, *urls: str) -> list[httpx2.Response]:
    async def run() -> list[httpx2.Response]:
        async with http_client(place) as client:
            return [await client.get(url) for url in urls]

    return asyncio.run(run())


def causes(error: BaseException | None) -> list[type]:
    return [] if error is None else [type(error), *causes(error.__cause__ or error.__context__)]


# --- The pinned address ---


def test_a_second_resolution_is_not_used(servers, rebinding):
    server = servers()
    url = f"http://{HOST}:{server.port}/v1"
    place = locate(url)
    assert socket.getaddrinfo(HOST, 80)[0][4][0] == "127.0.0.66"  # the result of any further query
    assert place.addresses == ("127.0.0.1",) and place.local
    assert [r.status_code for r in get(place, url, url)] == [200, 200]
    assert len(server.requests) == 2
    assert rebinding == [HOST, HOST]


def test_an_openai_client_uses_the_pinned_address(servers, rebinding):
    server = servers()
    place = locate(f"http://{HOST}:{server.port}/v1")

    async def run() -> str:
        async with openai.AsyncOpenAI(
            base_url=f"http://{HOST}:{server.port}/v1", api_key="k", max_retries=0, http_client=http_client(place, 4)
        ) as client:
            messages = [{"role": "user", "content": "?"}]
            replies = [client.chat.completions.create(model="m", messages=messages) for _ in range(20)]
            return {reply.choices[0].message.content for reply in await asyncio.gather(*replies)}

    assert asyncio.run(run()) == {"yes"}
    assert len(server.requests) == 20 and server.connections <= 4
    assert rebinding == [HOST]


def test_the_next_address_is_tried_if_the_first_does_not_respond(servers):
    server = servers()
    (reply,) = get(destination(HOST, "127.0.0.66", "127.0.0.1"), f"http://{HOST}:{server.port}/v1")
    assert reply.status_code == 200


@pytest.mark.parametrize("host", ["evil.example.org", "127.0.0.1", "localhost", f"{HOST}.evil.com", "[::1]"])
def test_no_other_host_is_connected_to(host, servers):
    server = servers()
    with pytest.raises(OSError) as error:
        get(destination(), f"http://{host}:{server.port}/v1")
    assert WrongServer in causes(error.value)
    assert server.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.example.org"])
def test_the_sockets_refuse_other_addresses(host, servers, monkeypatch):
    server = servers()
    place = destination(HOST, "127.0.0.66")

    async def run() -> None:
        client = http_client(place)
        client.event_hooks = {"request": []}
        async with client:
            await client.get(f"http://{host}:{server.port}/v1")

    with pytest.raises(httpx2.ConnectError):
        asyncio.run(run())
    assert server.connections == 0


def test_the_resolver_resolves_one_host():
    resolver = PinnedResolver(destination(HOST, "10.0.0.1", "fd00::1"))
    every = asyncio.run(resolver.resolve(f"{HOST.upper()}.", 80))
    assert [(r["host"], r["family"]) for r in every] == [("10.0.0.1", socket.AF_INET), ("fd00::1", socket.AF_INET6)]
    assert [r["host"] for r in asyncio.run(resolver.resolve(HOST, 80, socket.AF_INET6))] == ["fd00::1"]
    with pytest.raises(WrongServer):
        asyncio.run(resolver.resolve("localhost", 80))


@pytest.mark.parametrize("host", ["127.0.0.1", "LOCALHOST.", "localhost"])
def test_spellings_of_the_local_host(host, servers):
    server = servers()
    url = f"http://{host}:{server.port}/v1"
    assert get(locate(url), url)[0].status_code == 200


def test_a_refused_connection_is_not_a_timeout(servers):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def run() -> None:
        client = openai.AsyncOpenAI(
            base_url=f"http://{HOST}:{port}/v1", api_key="k", max_retries=0, http_client=http_client(destination())
        )
        async with client:
            await client.models.list()

    with pytest.raises(openai.APIConnectionError) as error:
        asyncio.run(run())
    assert not isinstance(error.value, openai.APITimeoutError)


def test_a_server_that_does_not_respond_is_a_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://{HOST}:{silent.getsockname()[1]}/v1"

        async def run() -> None:
            async with http_client(destination()) as client:
                await client.get(url, timeout=0.1)

        with pytest.raises(httpx2.TimeoutException):
            asyncio.run(run())


# --- Redirects, TLS, proxies ---


def test_a_redirect_is_not_followed(servers):
    server, other = servers(), servers()
    server.redirect_to = f"http://{HOST}:{other.port}/v1"
    (reply,) = get(destination(), f"http://{HOST}:{server.port}/v1")
    assert reply.status_code == 307 and other.connections == 0


def test_certificates_are_checked_against_the_host_name(servers, tls, rebinding):
    server = servers(tls(HOST))
    url = f"https://{HOST}:{server.port}/v1"
    assert get(locate(url), url)[0].status_code == 200
    assert server.names == [HOST]


@pytest.mark.parametrize(("host", "trusted"), [("evil.example.org", True), (HOST, False)])
def test_a_certificate_for_another_host_or_of_an_unknown_authority_is_refused(host, trusted, servers, tls):
    server = servers(tls(host, trusted))
    with pytest.raises(httpx2.ConnectError, match="certificate"):
        get(destination(https=True), f"https://{HOST}:{server.port}/v1")
    assert server.requests == []


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_is_not_used_for_a_local_server(name, servers, monkeypatch):
    server, proxy = servers(), servers()
    monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    assert get(destination(), f"http://{HOST}:{server.port}/v1")[0].status_code == 200
    assert proxy.connections == 0


def test_a_proxy_is_used_for_other_servers(servers, monkeypatch):
    proxy = servers()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    place = destination("api.example.org", "192.0.2.1", local=False)
    assert get(place, "http://api.example.org/v1")[0].status_code == 200
    assert [path for path, _ in proxy.requests] == ["http://api.example.org/v1"]
    with pytest.raises(WrongServer):
        get(place, "http://evil.example.org/v1")


@pytest.mark.parametrize(
    ("variables", "https", "expected"),
    [
        ({}, True, None),
        ({"https_proxy": "http://p:1"}, True, "http://p:1"),
        ({"https_proxy": "http://p:1"}, False, None),
        ({"https_proxy": "p:1"}, True, "http://p:1"),
        ({"all_proxy": "http://p:1"}, True, "http://p:1"),
        ({"https_proxy": "http://p:1", "no_proxy": "example.org"}, True, None),
    ],
)
def test_which_proxy_is_used(variables, https, expected, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(destination("api.example.org", local=False, https=https)) == expected
    assert proxy_of(destination("api.example.org", local=True, https=https)) is None


def test_a_proxy_of_another_kind_is_refused(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://p:1")
    with pytest.raises(UserError, match="not an http\\(s\\) proxy; set HTTPS_PROXY"):
        http_client(destination("api.example.org", local=False, https=True))
