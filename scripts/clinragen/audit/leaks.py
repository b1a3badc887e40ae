"""Secrets, e-mail addresses, local paths and private servers in a text; detect-secrets knows the keys of services."""

import html
import ipaddress
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.ip_public import IPPublicDetector
from detect_secrets.plugins.keyword import DENYLIST_REGEX, KeywordDetector

# Public IP addresses are no secret; detectors of entropy, which would report every hash, have no patterns.
DETECTORS = set(get_mapping_from_secret_type_to_class().values()) - {IPPublicDetector}
PATTERNS: list[re.Pattern[str]] = [pattern for kind in DETECTORS for pattern in getattr(kind, "denylist", ())]
# What these miss.
PATTERNS += [
    re.compile(r"\b(?:sk-[\w-]{16,}|hf_[A-Za-z0-9]{16,}|github_pat_\w{20,}|AIza[\w-]{30,})"),
    re.compile(r"\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)\s+[\w.~+/-]{8,}", re.I),
    re.compile(r"aws_?secret\w*[\"'\s:=]{1,6}[A-Za-z0-9/+]{40}", re.I),
]
KEYWORDS = re.compile(DENYLIST_REGEX, re.I)
# The setting that names the variable of the environment that holds a key.
VARIABLE = re.compile(r"api_key_variable[\"']?\s*[:=]\s*[\"']?[A-Z][A-Z0-9_]*\b")
MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}", re.I)
# Reserved example domains (RFC 2606), and git@ remotes.
EXAMPLE_MAIL = re.compile(r"@(?:[\w-]+\.)*example\.(?:org|com|net)$|^git@", re.I)
ADDRESS = re.compile(
    r"\b(?:https?|wss?|grpc|tcp|ssh|s?ftp)://(?:[^\s/@\"'<>]*@)?(?P<host>\[[0-9a-f:.]+\]|[\w.-]*\w)(?P<port>:\d+)?",
    re.I,
)
INNER_HOST = re.compile(r"\.(local|localdomain|localhost|internal|intranet|lan|home|corp|private)\.?$", re.I)


def keys(text: str) -> Iterator[int]:
    """Yield the offset of every key, token or password."""
    for pattern in PATTERNS:
        yield from (match.start() for match in pattern.finditer(text))
    if KEYWORDS.search(text):
        keyword, at = KeywordDetector(), 0
        for line in text.splitlines(keepends=True):
            if any(keyword.analyze_string(VARIABLE.sub("", line.rstrip("\n")))):
                yield at
            at += len(line)


def mail_addresses(text: str, authors: set[str]) -> Iterator[int]:
    """Yield the offsets of e-mail addresses that are neither the authors' nor examples."""
    for match in MAIL.finditer(text):
        if match.group().lower() not in authors and not EXAMPLE_MAIL.search(match.group()):
            yield match.start()


def private_servers(text: str) -> Iterator[int]:
    """Yield the offsets of URLs of servers with an explicit port, or without a public name or number."""
    for match in ADDRESS.finditer(text):
        host = match["host"]
        try:
            public = ipaddress.ip_address(host.strip("[]")).is_global
        except ValueError:
            public = "." in host.rstrip(".") and not INNER_HOST.search(host)
        if match["port"] or not public:
            yield match.start()


def secret_values(text: str, secrets: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Yield the name and offset of each secret that a text holds, as it is or escaped."""
    for name, value in secrets.items():
        for written in {value, json.dumps(value)[1:-1], html.escape(value), urllib.parse.quote(value, safe="")}:
            if (at := text.find(written)) >= 0:
                yield name, at


def places_in(text: str, places: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Yield the name and first offset of each directory that a text names."""
    for name, directory in places.items():
        if match := re.search(rf"(?<![\w.}}-]){re.escape(directory.rstrip('/'))}(?![\w.-])", text):
            yield name, match.start()
