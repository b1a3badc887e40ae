"""Permission to send text to a server: restricted text requires a basis in the settings."""

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from clinragen.errors import UserError

# Sources of open text; all others, including unknown ones, count as restricted.
OPEN_SOURCES = frozenset({"synthetic", "open-demo", "public"})
# Listed explicitly: ipaddress.is_private also includes ranges that are not private networks, such as 169.254.0.0/16,
# where clouds serve the metadata of a machine, and 0.0.0.0/8.
LOCAL_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
HOST = re.compile(r"[a-z0-9.:-]*[a-z0-9:]")
# Address parsers disagree on hosts that end in a number: 134744072 may be read as 8.8.8.8 or as a name.
ENDS_IN_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")

_CHAT = "it is a chat service for people, which keeps conversations"
_RELAY = "it forwards text to other companies, so zero retention cannot be verified"
# Public services to which no agreement permits sending restricted text, including their subdomains.
# Users name services that offer zero retention (OpenAI, Azure, Together, ...) in `allowed_hosts`.
WITHOUT_AGREEMENT = {
    "deepseek.com": "its terms offer no zero retention and allow training on submitted text",
    "openrouter.ai": _RELAY,
    "router.huggingface.co": _RELAY,
    "api-inference.huggingface.co": _RELAY,
    "poe.com": _RELAY,
    "chatgpt.com": _CHAT,
    "chat.openai.com": _CHAT,
    "claude.ai": _CHAT,
    "gemini.google.com": _CHAT,
    "chat.mistral.ai": _CHAT,
}


@dataclass(frozen=True)
class Destination:
    """A server with the addresses of its host name, resolved once."""

    host: str
    """Host name or address, in lower case, without a final dot."""
    addresses: tuple[str, ...]
    """Resolved addresses; connections are made only to these."""
    local: bool
    """Whether it is this machine, on a private network, or named in `local_hosts`."""
    https: bool
    """Whether the connection is encrypted."""


def locate(base_url: str, local_hosts: Sequence[str] = (), section: str = "llm_transport") -> Destination:
    """Resolve the host of a URL.

    `local_hosts` are hosts that the user declares local, such as a node of the institution's cluster with a public
    address. `section` is the section of the settings in messages. UserError unless `base_url` is a plain http(s) URL
    with a host that can be resolved.
    """
    host = host_of(base_url, section)
    addresses = _resolve(host, section)
    local = _listed(host, local_hosts) or all(_is_local(address) for address in addresses)
    return Destination(host, addresses, local, urlsplit(base_url).scheme == "https")


def foresee(
    base_url: str, data_use: str, local_hosts: Sequence[str] = (), section: str = "llm_transport"
) -> Destination:
    """Guess the destination of a URL without a DNS query, trusting the settings; UserError as for `locate`.

    For early warnings only, which must be quick and work without a network: it trusts the basis `local-server`.
    `locate` decides before anything is sent.
    """
    host = host_of(base_url, section)
    is_address = _address(host) is not None
    looks_local = "." not in host or host.endswith(".local") or data_use == "local-server"
    local = (_is_local(host) if is_address else looks_local) or _listed(host, local_hosts)
    return Destination(host, (host,) if is_address else (), local, urlsplit(base_url).scheme == "https")


def permit(
    destination: Destination,
    *,
    section: str,
    data_use: str,
    allowed_hosts: Sequence[str],
    data: str,
    restricted: Sequence[str],
    stored: bool = False,
) -> None:
    """Raise UserError unless text of these data may be sent to the server.

    `data` names the data in the message; `stored` says that the server would store it in files (`batch`). `restricted`
    lists why the text is restricted (`restricted_origin`); if it is empty, the text may be sent to any server.
    """
    if not restricted:
        return
    if reason := _refusal(destination, section, data_use, allowed_hosts, stored):
        more = f", and {len(restricted) - 1} more" if len(restricted) > 1 else ""
        raise UserError(
            f"{section}.data_use: {data_use} does not permit sending {data} text to {destination.host}: {reason}. "
            f"The text is restricted: {restricted[0]}{more}. Nothing was sent. docs/data-access.md lists the "
            "setting for each kind of server; set it in config/local.yaml"
        )


def permit_key(destination: Destination, section: str) -> None:
    """Raise UserError if an API key would be sent to a remote server without encryption."""
    if not (destination.https or destination.local):
        raise UserError(
            f"{section}.base_url: the API key would reach {destination.host} without encryption; use https, or name "
            f"the host in {section}.local_hosts if it is on your institution's network"
        )


def open_by_config(source: str) -> bool:
    """Return whether a dataset's text is open according to the configuration.

    For early warnings only: before text is sent, the records of the inputs decide (`restricted_origin`).
    """
    return source in OPEN_SOURCES


def host_of(base_url: str, section: str = "llm_transport") -> str:
    """Return the host of a URL in lower case; UserError unless it is a plain http(s) URL."""
    try:
        parts = urlsplit(base_url)
        host, _ = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        parts, host = None, ""
    # ASCII only, because lower() maps some other letters to ASCII, such as the Kelvin sign to k.
    plain = base_url.isascii() and not re.search(r"[\s\\@?#]", base_url) and ("[" in base_url) == (":" in host)
    if parts is None or parts.scheme not in ("http", "https") or not plain or not HOST.fullmatch(host):
        raise UserError(
            f"{section}.base_url is not a valid http(s) URL without credentials, query or spaces, e.g. "
            "http://localhost:8000/v1; correct it in config/local.yaml"
        )
    if ENDS_IN_NUMBER.fullmatch(host) and _address(host) is None:
        raise UserError(
            f"{section}.base_url: {host} is neither a host name nor an address of four decimal numbers, such as "
            "127.0.0.1; correct it in config/local.yaml"
        )
    return host


def _refusal(destination: Destination, section: str, data_use: str, allowed_hosts: Sequence[str], stored: bool) -> str:
    """Return why restricted text may not be sent, with a remedy; empty if it may."""
    host = destination.host
    for domain, reason in WITHOUT_AGREEMENT.items():
        if host == domain or host.endswith(f".{domain}"):
            return f"{reason}; use a local server, or a service with a zero-retention agreement"
    if data_use not in ("local-server", "no-retention-cloud"):
        return "no data-use basis is configured; set one"
    if destination.local:
        return ""
    if data_use == "local-server":
        return (
            f"`local-server` covers only this machine and private networks, and {host} is at "
            f"{', '.join(destination.addresses)}; if it is on your institution's network, name it in "
            f"{section}.local_hosts"
        )
    if stored:
        return f"a batch is stored there as a file, which violates zero retention; set {section}.batch to false"
    if not destination.https:
        return f"{host} would be reached without encryption; use https"
    if not _listed(host, allowed_hosts):
        return f"{host} is not in {section}.allowed_hosts; name it there if your agreement covers it"
    return ""


def _listed(host: str, hosts: Sequence[str]) -> bool:
    return host in {name.strip().lower().removesuffix(".") for name in hosts}


def _resolve(host: str, section: str) -> tuple[str, ...]:
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # UnicodeError: an empty or too long part of the name
        entries = []
    if not entries:
        raise UserError(
            f"{section}.base_url: the host name {host} cannot be resolved on this machine; correct it in "
            "config/local.yaml, or run on a machine that can reach the server"
        )
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))


def _is_local(text: str) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in LOCAL_NETWORKS)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
