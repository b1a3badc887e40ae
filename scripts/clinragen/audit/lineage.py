"""The lineage of outputs, walked from record to record down to raw files and resources."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from clinragen.kernel.record import read_record
from clinragen.tables.audit import LINEAGE


@dataclass(frozen=True)
class Ancestry:
    """Files without record below an output, and the reasons why its lineage is not complete."""

    roots: frozenset[str]
    gaps: frozenset[str]


def list_lineage(targets: list[Path], origins: list[str]) -> tuple[pa.Table, list[str]]:
    """A row per output that leads to the targets (LINEAGE), and all gaps.

    A gap is an input that changed after it was used, a file of another size than a record says, a raw file
    that two outputs used in different states, a record that is missing although the file lies in a
    results folder, or a file that is gone. Contents are not read again here. `origins` are the folders
    whose files need no record: the raw data and the resources.
    """
    records: dict[str, dict] = {}
    ancestry: dict[str, Ancestry] = {}
    for target in targets:
        _walk(target.as_posix(), origins, records, ancestry)
    rows = []
    for path, record in sorted(records.items()):
        git = record["git"]
        rows.append(
            {
                "output": path,
                "rule": record["rule"],
                "sharing": record["output"]["sharing"],
                "bytes": record["output"]["bytes"],
                "sha256": record["output"]["sha256"],
                "code_digest": record["code_digest"],
                "commit": git["commit"] + ("+" if git["dirty"] else "") if git else None,
                "inputs": len(record["inputs"]),
                "roots": len(ancestry[path].roots),
                "complete": not ancestry[path].gaps,
                "stand_ins": "; ".join(record["stand_ins"]) or None,
            }
        )
    gaps = sorted({gap for found in ancestry.values() for gap in found.gaps} | _changed_roots(records))
    return pa.Table.from_pylist(rows, schema=LINEAGE.schema), gaps


def _walk(path: str, origins: list[str], records: dict[str, dict], ancestry: dict[str, Ancestry]) -> Ancestry:
    """Depth first; every file once."""
    if path in ancestry:
        return ancestry[path]
    record = read_record(Path(path))
    if record is None:
        is_origin = any(Path(path).is_relative_to(o) for o in origins)
        reasons = [] if is_origin else [f"{path}: no record"]
        if is_origin and not Path(path).exists():
            reasons = [f"{path}: gone"]
        ancestry[path] = Ancestry(frozenset({path}), frozenset(reasons))
        return ancestry[path]
    records[path] = record
    roots: set[str] = set()
    gaps = _state(record["output"])
    for used in record["inputs"]:
        below = _walk(used["path"], origins, records, ancestry)
        roots |= below.roots
        gaps |= below.gaps
        now = records.get(used["path"])
        changed = now["output"]["sha256"] != used["sha256"] if now else bool(_state(used))
        if changed and Path(used["path"]).exists():
            gaps.add(f"{used['path']}: changed after {path} was made of it")
    ancestry[path] = Ancestry(frozenset(roots), frozenset(gaps))
    return ancestry[path]


def _state(output: dict) -> set[str]:
    """What the file system alone tells of an output."""
    path = Path(output["path"])
    if not path.exists():
        return {f"{path}: gone"}
    if path.is_file() and path.stat().st_size != output["bytes"]:
        return {f"{path}: not as its record says"}
    return set()


def _changed_roots(records: dict[str, dict]) -> set[str]:
    """Files without record that two outputs used in different states."""
    first: dict[str, tuple[str, str]] = {}
    gaps = set()
    for path, record in sorted(records.items()):
        for used in record["inputs"]:
            if used["path"] not in records:
                user, sha256 = first.setdefault(used["path"], (path, used["sha256"]))
                if sha256 != used["sha256"]:
                    gaps.add(f"{used['path']}: not the same where {user} and {path} were made of it")
    return gaps
