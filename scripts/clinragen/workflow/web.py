"""Short requests to servers, for `make check`. Redirects are refused: only hosts of the configuration are contacted."""

import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

TIMEOUT = 5  # seconds
LARGEST = 20_000_000  # bytes of a response


class Unreachable(Exception):
    """No response from a server; the text says why."""


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        return None


def get(url: str, key: str = "", local: bool = False) -> tuple[int, Any]:
    """Send a GET request and return the status and the decoded JSON, or None if the body is not JSON.

    A `local` server is reached directly; for others the proxy settings of the environment apply. Raise Unreachable
    without a response.
    """
    headers = {"User-Agent": "clinragen-check"} | ({"Authorization": f"Bearer {key}"} if key else {})
    handlers = [_NoRedirects, ProxyHandler({})] if local else [_NoRedirects]
    try:
        with build_opener(*handlers).open(Request(url, headers=headers), timeout=TIMEOUT) as response:
            body = response.read(LARGEST)
            return response.status, _decoded(body)
    except HTTPError as error:
        return error.code, None
    except URLError as error:
        raise Unreachable(str(error.reason)) from None
    except (OSError, HTTPException, ValueError) as error:
        raise Unreachable(f"{type(error).__name__}: {error}") from None


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
