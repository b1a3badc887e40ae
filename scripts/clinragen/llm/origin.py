"""Origin of the text in the inputs of a step, from their provenance records, independently of the configuration."""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from clinragen.errors import UserError
from clinragen.provenance.record import RECORDS, Input, Record, describe, read_record, record_hash, sha256
from clinragen.registry import raw
from clinragen.registry.checksums import OPEN_DEMO, read_checksums

# Authored content: phenotypes, prompts, texts, generators of the synthetic cohorts.
AUTHORED = (("resources",), ("scripts",))
# Its inputs without a record are the user's lists of patients, which contain no text.
TAKES_LISTS = "benchmark_split"
# No table of MIMIC-IV's demo and not every one of MIMIC-III's has a pinned checksum: downloads are trusted from here.
DOWNLOAD = "demo_download"
OPEN_DEMO_ADDRESSES = ("https://physionet.org/files/mimiciii-demo/", "https://physionet.org/files/mimic-iv-demo/")
UNKNOWN = "no record identifies it as synthetic or public, and its checksum is not one of the open demos"
# Larger than any table of the open demos, compressed or not; larger files are not hashed.
LARGEST_OPEN_TABLE = 200_000_000


def restricted_origin(inputs: Iterable[Path], root: Path | None = None) -> list[str]:
    """Return why the text of these inputs is restricted, one reason per file; empty if it is open.

    The records of the inputs are followed down to files that no step wrote. Text is open if each of these is either
    part of the project or a table of an open demo, identified by its pinned checksum. Everything else is restricted,
    including inputs with a missing or altered record, and altered files. Paths in records are relative to `root`, by
    default the working directory.
    """
    walk = _Walk(root or Path.cwd())
    for path in inputs:
        walk.start(path)
    return list(walk.reasons)


class _Walk:
    """The records behind some inputs, each visited once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: set[tuple[str, str]] = set()
        self.reasons: dict[str, None] = {}

    def start(self, path: Path) -> None:
        """Follow an input of the step, whose content is compared with its record."""
        file = self._root / path
        try:
            record = read_record(file)
        except UserError as error:
            return self._restricted(path, str(error))
        if not file.exists():
            self._restricted(path, "it is missing")
        elif record is None:
            self._leaf(path, None)
        elif describe(file)["sha256"] != record["output"]["sha256"]:
            self._restricted(path, f"its content is not what {record['rule']} wrote; run {record['rule']} again")
        else:
            self._follow(path, record)

    def _follow(self, path: str | Path, record: Record) -> None:
        if not record["inputs"]:
            self._restricted(path, f"its record by {record['rule']} lists no inputs")
        address = str(record["settings"].get("base_url"))
        if record["rule"] == DOWNLOAD and not address.startswith(OPEN_DEMO_ADDRESSES):
            self._restricted(path, f"it was downloaded from {address}, not from {' or '.join(OPEN_DEMO_ADDRESSES)}")
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
            self._restricted(path, f"its record is not the one that {user} used; run {user} again")
        else:
            self._follow(path, record)

    def _leaf(self, path: str | Path, digest: str | None) -> None:
        if not self._is_authored(path) and not is_of_open_demo(self._root / path, digest):
            self._restricted(path, UNKNOWN)

    def _is_authored(self, path: str | Path) -> bool:
        """Return whether a file belongs to the project; raw tables and results in its directories do not."""
        file, root = (self._root / path).resolve(), self._root.resolve()
        inside = file.is_relative_to(root) and file.relative_to(root).parts[:1] in AUTHORED
        return inside and _table(file) not in _raw_tables() and not (file.parent / RECORDS).is_dir()

    def _restricted(self, path: str | Path, reason: str) -> None:
        self.reasons[f"{Path(path).as_posix()}: {reason}"] = None


def is_of_open_demo(path: Path, digest: str | None) -> bool:
    """Return whether a raw file is a table of an open demo, compressed or not.

    `digest` is the recorded SHA-256 of the file that was read; a different file at the same path does not count.
    Checksums are pinned for the published files: one that was compressed since must be present.
    """
    expected = pinned().get(_table(path), frozenset())
    if not expected or digest in expected:
        return bool(expected)
    if not path.is_file() or path.stat().st_size > LARGEST_OPEN_TABLE:
        return False
    present = sha256(path)
    if digest not in (None, present):
        return False
    return present in expected or _uncompressed_sha256(path) in expected


@cache
def pinned() -> dict[str, frozenset[str]]:
    """Return the known SHA-256 of each table of the open demos, by its name in lower case."""
    tables: dict[str, set[str]] = {}
    for name, digest in read_checksums(OPEN_DEMO.read_text(encoding="utf-8")).items():
        tables.setdefault(_table(Path(name)), set()).add(digest)
    return {table: frozenset(digests) for table, digests in tables.items()}


@cache
def _raw_tables() -> frozenset[str]:
    tables = (facts for dataset in raw.declaration().values() for facts in dataset["tables"].values())
    return frozenset(_table(Path(facts["file"])) for facts in tables) | frozenset(pinned())


def _table(path: Path) -> str:
    """Return the name of a raw table from that of its file."""
    return path.name.lower().removesuffix(".gz").removesuffix(".csv")


def _uncompressed_sha256(path: Path) -> str | None:
    """Return the hash of the unpacked content; None if it is damaged or too large for an open demo."""
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
