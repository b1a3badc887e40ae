"""Which text may reach which server: restricted text is sent only if the settings name a basis for it."""

import ipaddress
import re
from urllib.parse import urlsplit

from clinragen.errors import UserError

# Data that anyone may see; every other source, known or not, counts as restricted.
OPEN_SOURCES = frozenset({"synthetic", "open-demo", "public"})
# Listed by hand: ipaddress.is_private also includes ranges that are not private networks.
PRIVATE_NETWORKS = [ipaddress.ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")]
# The first letter keeps out numbers: http://134744072 is 8.8.8.8.
PLAIN_NAME = re.compile(r"[a-z][a-z0-9-]*")
HOST = re.compile(r"[a-z0-9.:-]+")


def permit(base_url: str, data_use: str, data: str, source: str) -> None:
    """Raise UserError unless text of these data may be sent to the server.

    `data` names the data in the message, `source` is where they come from (`text_source` of the dataset, or
    `public` for documents that anyone can read).
    """
    host = host_of(base_url)
    if source in OPEN_SOURCES:
        return
    if data_use == "local-server":
        if is_local(host):
            return
        reason = "`local-server` covers only this machine and private networks"
    elif data_use == "no-retention-cloud":
        if is_local(host) or urlsplit(base_url).scheme == "https":
            return
        reason = f"{host} would be reached without encryption; use https"
    else:
        reason = "no data-use basis is configured"
    raise UserError(
        f"llm_transport data_use: {data_use} does not permit sending {data} text (source: {source}) to {host}: "
        f"{reason}. Nothing was sent. docs/data-access.md lists which setting fits which server; set it in "
        "config/local.yaml"
    )


def host_of(base_url: str) -> str:
    """Host name of a server's address, in lower case; UserError for anything but a plain http(s) address."""
    try:
        parts = urlsplit(base_url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        parts, host = None, ""
    strange = re.search(r"[\s\\@]", base_url)
    if parts is None or parts.scheme not in ("http", "https") or strange or not HOST.fullmatch(host):
        raise UserError(
            "teacher_transport.base_url is not a valid http(s) URL without credentials or spaces, e.g. "
            "http://localhost:8000/v1; correct it in config/local.yaml"
        )
    return host


def is_local(host: str) -> bool:
    """Whether a host is this machine or on a private network (RFC 1918, RFC 4193, .local, a name without dots)."""
    if is_loopback(host) or PLAIN_NAME.fullmatch(host) or host.endswith(".local"):
        return True
    address = _address(host)
    return address is not None and any(address in network for network in PRIVATE_NETWORKS)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
