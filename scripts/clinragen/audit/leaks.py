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

from clinragen.audit.overlap import views

SECRET, ADDRESS, SERVER = "secret", "e-mail address", "private server"

# Public IP addresses are no secret; detectors of entropy, which would report every hash, have no patterns.
DETECTORS: set[type] = set(get_mapping_from_secret_type_to_class().values()) - {IPPublicDetector}
PATTERNS: list[re.Pattern[str]] = [pattern for kind in DETECTORS for pattern in getattr(kind, "denylist", ())]
# What these miss.
PATTERNS += [
    re.compile(r"\b(?:sk-[\w-]{16,}|hf_[A-Za-z0-9]{16,}|github_pat_\w{20,}|AIza[\w-]{30,})"),
    re.compile(r"\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)\s+[\w.~+/-]{8,}", re.I),
    re.compile(r"aws_?secret\w*[\"'\s:=]{1,6}[A-Za-z0-9/+]{40}", re.I),
]
KEYWORD, KEYWORDS = KeywordDetector(), re.compile(DENYLIST_REGEX, re.I)
# The setting that names the variable of the environment that holds a key.
VARIABLE = re.compile(r"api_key_variable[\"']?\s*[:=]\s*[\"']?[A-Z][A-Z0-9_]*\b")
MAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}", re.I)
# Reserved example domains (RFC 2606), and git@ remotes.
EXAMPLE_MAIL = re.compile(r"@(?:[\w-]+\.)*example\.(?:org|com|net)$|^git@", re.I)
URL = re.compile(
    r"\b(?:https?|wss?|grpc|tcp|ssh|s?ftp)://(?:[^\s/@\"'<>]*@)?(?P<host>\[[0-9a-f:.]+\]|[\w.-]*\w)(?P<port>:\d+)?",
    re.I,
)
INNER_HOST = re.compile(r"\.(local|localdomain|localhost|internal|intranet|lan|home|corp|private)\.?$", re.I)


class Leaks:
    """Finds what must not be disclosed, in texts of which many share lines."""

    def __init__(self, secrets: Mapping[str, str], places: Mapping[str, str], authors: str) -> None:
        """`secrets` are values and `places` directories, by their names in findings; `authors` may be written to."""
        self._secrets = {form: name for name, value in secrets.items() for form in _written(value)}
        # Not a directory whose name only begins alike.
        self._places = {name: re.compile(rf"(?<![\w.}}-]){re.escape(path.rstrip('/'))}(?![\w.-])") for name, path in
                        places.items()}  # fmt: skip
        self._authors = {match.group().lower() for match in MAIL.finditer(authors)}
        self._clean: set[str] = set()

    def lines(self, text: str) -> Iterator[tuple[int, set[str]]]:
        """Yield number and kinds of each line that discloses something."""
        new = [line for line in dict.fromkeys(text.splitlines()) if line not in self._clean]
        if not self._kinds("\n".join(new)):
            self._clean.update(new)
            return
        for number, line in enumerate(text.splitlines(), start=1):
            if kinds := self._kinds(line):
                yield number, kinds

    def _kinds(self, text: str) -> set[str]:
        kinds = {f"value of {name}" for form, name in self._secrets.items() if form in text}
        kinds |= {f"path of {name}" for name, pattern in self._places.items() if pattern.search(text)}
        kinds |= {SECRET} if any(map(_has_key, views(text))) else set()
        kinds |= {ADDRESS} if any(self._is_private(match.group()) for match in MAIL.finditer(text)) else set()
        return kinds | ({SERVER} if any(map(_is_inner, URL.finditer(text))) else set())

    def _is_private(self, address: str) -> bool:
        return address.lower() not in self._authors and not EXAMPLE_MAIL.search(address)


def _written(value: str) -> set[str]:
    """Return the longest line of a value as it is and escaped."""
    line = max(value.splitlines(), key=len)
    return {line, json.dumps(line)[1:-1], html.escape(line), urllib.parse.quote(line, safe="")}


def _has_key(text: str) -> bool:
    """Return whether a text has a key, token or password."""
    if any(pattern.search(text) for pattern in PATTERNS):
        return True
    lines = (VARIABLE.sub("", line) for line in text.splitlines() if KEYWORDS.search(line))
    return any(any(KEYWORD.analyze_string(line)) for line in lines)


def _is_inner(url: re.Match[str]) -> bool:
    """Return whether a server has an explicit port, or neither a public name nor a public number."""
    host = url["host"]
    try:
        public = ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        public = "." in host.rstrip(".") and not INNER_HOST.search(host)
    return url["port"] is not None or not public
