"""The open demos of MIMIC from PhysioNet, checked against the checksums of the release and pinned ones."""

import gzip
import hashlib
import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TypeVar

from clinragen.errors import UserError
from clinragen.registry.checksums import read_checksums

T = TypeVar("T")
log = logging.getLogger("demo.download")

CHECKSUMS = "SHA256SUMS.txt"
ATTEMPTS = 4
TIMEOUT_SECONDS = 60.0
CHUNK = 1 << 20
REMEDY = (
    "download the files manually into datasets.mimic3.raw or mimic4.raw, or run `make demo`, which needs no network"
)


class _Transient(Exception):
    """A failure that the next attempt may not have."""


def download_tables(
    base_url: str, destinations: dict[str, Path], pinned: dict[str, str], wait_seconds: float = 2.0
) -> None:
    """Download each table of the release and write it, compressed, to its destination.

    `destinations` are keyed by the paths in the release, without suffix: `PATIENTS` is published as PATIENTS.csv,
    `hosp/patients` as hosp/patients.csv.gz, whose bytes are kept. `pinned` are known checksums of published files; one
    without is checked against the list of the release only. Waits `wait_seconds`, doubled each time, between attempts.
    Raises UserError with URL and remedy when a file is missing, incomplete or has another checksum.
    """
    base_url = base_url.rstrip("/")
    listing = _retried(lambda: _text(f"{base_url}/{CHECKSUMS}"), f"{base_url}/{CHECKSUMS}", wait_seconds)
    published = read_checksums(listing)
    for table, destination in destinations.items():
        name = next((n for n in (f"{table}.csv", f"{table}.csv.gz") if n in published), None)
        if name is None:
            raise UserError(f"{base_url}/{CHECKSUMS}: does not list {table}.csv[.gz]; is this a release of the demo?")
        url = f"{base_url}/{name}"
        if pinned.get(name, published[name]) != published[name]:
            raise UserError(
                f"{base_url}/{CHECKSUMS}: lists {name} as {published[name][:12]}..., expected {pinned[name][:12]}...; "
                f"the release has changed or the response is not from PhysioNet: {REMEDY}"
            )
        _retried(partial(_fetch, url, destination, published[name]), url, wait_seconds)
        log.info("%s: verified", url)


def _retried(attempt: Callable[[], T], url: str, wait_seconds: float) -> T:
    for number in range(1, ATTEMPTS + 1):
        try:
            return attempt()
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code != 429:
                raise UserError(f"{url}: HTTP status {error.code} {error.reason}; {REMEDY}") from None
            reason = f"HTTP status {error.code} {error.reason}"
        except (_Transient, urllib.error.URLError, ConnectionError, TimeoutError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        if number < ATTEMPTS:
            log.warning("%s: %s; attempt %d of %d", url, reason, number, ATTEMPTS)
            time.sleep(wait_seconds * 2 ** (number - 1))
    raise UserError(f"{url}: {reason}, after {ATTEMPTS} attempts; {REMEDY}")


def _text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
        return response.read().decode()


def _fetch(url: str, destination: Path, sha256: str) -> None:
    """Download once; the destination appears only if its content is right."""
    partial = destination.with_name(f".tmp-download-{destination.name}")
    digest, received = hashlib.sha256(), 0
    try:
        with (
            urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response,
            partial.open("wb") as file,
            nullcontext(file) if url.endswith(".gz") else gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
        ):
            expected = response.headers.get("Content-Length")
            while chunk := response.read(CHUNK):
                digest.update(chunk)
                received += len(chunk)
                packed.write(chunk)
        if expected is not None and received != int(expected):
            raise _Transient(f"ended after {received} of {expected} bytes")
        if digest.hexdigest() != sha256:
            raise _Transient(f"has SHA-256 {digest.hexdigest()[:12]}..., the release lists {sha256[:12]}...")
        partial.replace(destination)
    finally:
        partial.unlink(missing_ok=True)
