"""Whose text the inputs of a step hold, from their provenance records; the configuration has no say."""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from clinragen.errors import UserError
from clinragen.provenance.record import FOLDER, Input, Record, describe, read_record, record_hash, sha256
from clinragen.registry import raw
from clinragen.registry.checksums import OPEN_DEMO, read_checksums

# What the project wrote itself: phenotypes, prompts, texts, generators of the synthetic cohorts.
OWN_FOLDERS = (("resources",), ("scripts",))
# Its inputs without a record are the user's lists of patients: they choose rows and hold no text.
TAKES_LISTS = "benchmark_split"
# Two tables of the open demo have no pinned checksum, so their download is trusted from this address only.
DOWNLOAD, OPEN_DEMO_ADDRESS = "demo_download", "https://physionet.org/files/mimiciii-demo/"
UNKNOWN = "no record says that it is synthetic or public, and it has no pinned checksum of the open demo"
# Larger than any table of the open demo, whether compressed or not; larger files are not read to find out.
LARGEST_OPEN_TABLE = 200_000_000


def restricted_origin(inputs: Iterable[Path], root: Path | None = None) -> list[str]:
    """Why the text of these inputs is restricted, a file each; empty if anyone may see it.

    The records of the inputs are followed down to files that no step made. Text is open if each of them is either
    part of the project or a table of the open MIMIC-III demo, recognised by its pinned checksum. Everything else is
    restricted, and so is what a missing or altered record, or an altered file, leaves open. Paths in records are
    relative to `root`, by default the working directory.
    """
    walk = _Walk(root or Path.cwd())
    for path in inputs:
        walk.given(path)
    return list(walk.reasons)


class _Walk:
    """The records behind some inputs, each visited once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: set[tuple[str, str]] = set()
        self.reasons: dict[str, None] = {}

    def given(self, path: Path) -> None:
        """Follow an input that is at hand, so its content is compared with its record."""
        here = self._root / path
        try:
            record = read_record(here)
        except UserError as error:
            return self._restricted(path, str(error))
        if not here.exists():
            self._restricted(path, "it is missing")
        elif record is None:
            self._leaf(path, None)
        elif describe(here)["sha256"] != record["output"]["sha256"]:
            self._restricted(path, f"its content is not what {record['rule']} wrote; run {record['rule']} again")
        else:
            self._follow(path, record)

    def _follow(self, path: str | Path, record: Record) -> None:
        if not record["inputs"]:
            self._restricted(path, f"its record by {record['rule']} names nothing that it was made from")
        address = str(record["settings"].get("base_url"))
        if record["rule"] == DOWNLOAD and not address.startswith(OPEN_DEMO_ADDRESS):
            self._restricted(path, f"it was downloaded from {address}, not from {OPEN_DEMO_ADDRESS}")
        for used in record["inputs"]:
            if record["rule"] == TAKES_LISTS and used["record"] is None:
                continue
            if (visit := (used["path"], used["record"] or used["sha256"])) not in self._seen:
                self._seen.add(visit)
                self._used(record["rule"], used)

    def _used(self, user: str, used: Input) -> None:
        path = used["path"]
        if used["record"] is None:
            return self._leaf(path, used["sha256"])
        try:
            record = read_record(self._root / path)
        except UserError as error:
            return self._restricted(path, str(error))
        if record is None:
            self._restricted(path, f"its record is missing; run {used['made_by']} again")
        elif record_hash(self._root / path) != used["record"] or record["output"]["sha256"] != used["sha256"]:
            self._restricted(path, f"its record is not the one that {user} was made with; run {user} again")
        else:
            self._follow(path, record)

    def _leaf(self, path: str | Path, digest: str | None) -> None:
        if not self._is_own(path) and not is_of_open_demo(self._root / path, digest):
            self._restricted(path, UNKNOWN)

    def _is_own(self, path: str | Path) -> bool:
        """Whether a file belongs to the project; raw tables and results that someone keeps in its folders do not."""
        here, root = (self._root / path).resolve(), self._root.resolve()
        inside = here.is_relative_to(root) and here.relative_to(root).parts[:1] in OWN_FOLDERS
        return inside and _table(here) not in _raw_tables() and not (here.parent / FOLDER).is_dir()

    def _restricted(self, path: str | Path, reason: str) -> None:
        self.reasons[f"{Path(path).as_posix()}: {reason}"] = None


def is_of_open_demo(path: Path, digest: str | None) -> bool:
    """Whether a raw file is a table of the open MIMIC-III demo, compressed or not.

    `digest` is the SHA-256 of the file that was read, if it is recorded: another file of that path is not recognised.
    Checksums are pinned for the uncompressed tables, so a compressed one must be present.
    """
    expected = pinned().get(_table(path))
    if expected is None or digest == expected:
        return expected is not None
    if not path.is_file() or path.stat().st_size > LARGEST_OPEN_TABLE:
        return False
    present = sha256(path)
    if digest not in (None, present):
        return False
    return expected in (present, _uncompressed_sha256(path))


@cache
def pinned() -> dict[str, str]:
    """SHA-256 of each uncompressed table of the open demo, by its name in lower case."""
    checksums = read_checksums(OPEN_DEMO.read_text(encoding="utf-8"))
    return {_table(Path(name)): digest for name, digest in checksums.items()}


@cache
def _raw_tables() -> frozenset[str]:
    tables = (facts for dataset in raw.declaration().values() for facts in dataset["tables"].values())
    return frozenset(_table(Path(facts["file"])) for facts in tables) | frozenset(pinned())


def _table(path: Path) -> str:
    """Name of a raw table, from that of its file."""
    return path.name.lower().removesuffix(".gz").removesuffix(".csv")


def _uncompressed_sha256(path: Path) -> str | None:
    """None for a file that cannot be unpacked, or is too large to be a table of the open demo."""
    digest, size = hashlib.sha256(), 0
    try:
        for chunk in _chunks(path):
            size += len(chunk)
            if size > LARGEST_OPEN_TABLE:
                return None
            digest.update(chunk)
    except (OSError, EOFError, zlib.error):
        return None
    return digest.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with gzip.open(path) as file:
        while chunk := file.read(1 << 20):
            yield chunk
