"""Validate a crate without a network, in the environment of the validator.

    .venv-validator/bin/python tests/validate_crate.py CRATE CONTEXTS [SEVERITY]

CONTEXTS is the directory of the JSON-LD contexts. Print every issue as a line of JSON; exit status 1 if there are any.
"""

import io
import json
import sys
import urllib.error
import urllib.request
import urllib.response
from email.message import Message
from pathlib import Path

import requests.adapters
import urllib3

FILES = {
    "https://w3id.org/ro/crate/1.1/context": "ro-crate-1.1-context.jsonld",
    "https://w3id.org/ro/crate/1.2/context": "ro-crate-1.2-context.jsonld",
    "https://w3id.org/ro/crate/1.3/context": "ro-crate-1.3-context.jsonld",
    "https://w3id.org/ro/terms/workflow-run/context": "workflow-run-context.json",
}
HEADERS = {"Content-Type": "application/ld+json"}


def content(directory: Path, address: str) -> bytes:
    """Return the content of an address; OSError if no file provides it."""
    name = FILES.get(address.split("#")[0].rstrip("/"))
    if name is None:
        raise urllib.error.URLError(f"no network: {address}")
    return (directory / name).read_bytes()


class Opener(urllib.request.BaseHandler):
    """Serve the contexts to urllib, through which rdflib reads them."""

    handler_order = 100

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def https_open(self, request: urllib.request.Request) -> urllib.response.addinfourl:
        headers = Message()
        headers["Content-Type"] = HEADERS["Content-Type"]
        body = io.BytesIO(content(self.directory, request.full_url))
        answer = urllib.response.addinfourl(body, headers, request.full_url, code=200)
        answer.msg = "OK"
        return answer

    http_open = https_open


def main() -> int:
    """Validate and print the issues."""
    crate, contexts = Path(sys.argv[1]), Path(sys.argv[2])
    severity = sys.argv[3] if len(sys.argv) > 3 else "REQUIRED"
    urllib.request.install_opener(urllib.request.build_opener(Opener(contexts)))

    def send(self, request, **_):  # type: ignore[no-untyped-def]
        body = io.BytesIO(content(contexts, request.url))
        return self.build_response(request, urllib3.HTTPResponse(body, HEADERS, 200, preload_content=False))

    requests.adapters.HTTPAdapter.send = send
    from rocrate_validator import models, services

    result = services.validate(
        models.ValidationSettings(
            rocrate_uri=str(crate),
            profile_identifier="provenance-run-crate",
            requirement_severity=models.Severity[severity],
            no_cache=True,
        )
    )
    issues = result.get_issues()
    for issue in issues:
        fields = {"severity": issue.severity.name, "check": issue.check.identifier, "message": issue.message}
        print(json.dumps(fields | {"entity": str(getattr(issue, "violatingEntity", None))}))
    return 1 if issues else 0


if __name__ == "__main__":
    sys.exit(main())
