"""An output told back to raw files, or a file told forward to all that was made of it."""

import csv
import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinragen.audit.graph import Graph, Record, listed, records_below
from clinragen.errors import UserError
from clinragen.provenance.record import load

MOST_OF_ONE_FOLDER = 5


@dataclass(frozen=True)
class Target:
    """A file, and where asked for one of its rows (all values as text) and columns."""

    file: Path
    row: dict[str, str] | None = None
    column: str | None = None


def target_of(text: str) -> Target:
    """FILE, FILE#12, FILE#model=ClinRaGen,metric=micro_f1 or either with :column.

    The first row after the header is 1. UserError where the file is no table, or not exactly one row is meant;
    several rows will do where none of their columns is asked for, and what they have in common counts.
    """
    name, mark, cell = text.partition("#")
    if not mark or Path(text).exists():
        return Target(Path(text))
    file = Path(name)
    rows = _rows_of(file)
    wanted, mark, column = cell.rpartition(":")
    wanted, column = (wanted, column) if mark else (cell, "")
    if rows and column and column not in rows[0]:
        raise UserError(f"{file} has no column {column}; it has {', '.join(rows[0])}")
    if wanted.isdigit():
        if not 1 <= int(wanted) <= len(rows):
            raise UserError(f"{file} has {len(rows)} rows, and no row {wanted}")
        return Target(file, rows[int(wanted) - 1], column or None)
    pairs = dict(pair.partition("=")[::2] for pair in wanted.split(",") if pair)
    unknown = [key for key in pairs if rows and key not in rows[0]]
    if unknown:
        raise UserError(f"{file} has no column {', '.join(unknown)}; it has {', '.join(rows[0])}")
    found = [row for row in rows if pairs.items() <= row.items()]
    if not found or (column and len(found) > 1):
        raise UserError(f"{len(found)} rows of {file} have {wanted}; one is wanted")
    shared = {key: value for key, value in found[0].items() if all(row[key] == value for row in found)}
    return Target(file, shared, column or None)


def _rows_of(file: Path) -> list[dict[str, str]]:
    if not file.is_file():
        raise UserError(f"{file}: no such file")
    if file.suffix == ".csv":
        with file.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))
    if file.suffix == ".parquet":
        import pyarrow.parquet as pq

        return [{key: str(value) for key, value in row.items()} for row in pq.read_table(file).to_pylist()]
    raise UserError(f"{file} is no table: rows of .csv and .parquet files can be traced")


def recorded_path(graph: Graph, target: Target) -> str:
    """The output that the target is or lies in; UserError where no record tells of it."""
    if not target.file.exists():
        raise UserError(f"{target.file}: no such file")
    path = graph.output_of(target.file)
    if path is None:
        raise UserError(
            f"{target.file}: no record tells what made it; it is a raw file, a resource, or not of this workflow "
            "(--forward tells what was made of it)"
        )
    return path


def tree(path: str, children: Callable[[str], Iterable[str]], title: Callable[[str], str]) -> Iterator[str]:
    """Lines of a tree; what stands above already is not unfolded again."""
    told: set[str] = set()

    def lines(name: str, first: str, others: str) -> Iterator[str]:
        below = list(dict.fromkeys(children(name)))
        again = name in told and below
        yield f"{first}{title(name)}{'  (above)' if again else ''}"
        told.add(name)
        for number, child in enumerate(below if not again else []):
            last = number == len(below) - 1
            yield from lines(child, others + ("└─ " if last else "├─ "), others + ("   " if last else "│  "))

    yield from lines(path, "", "")


def back(graph: Graph, path: str, row: dict[str, str] | None) -> Iterator[str]:
    """The tree of an output, down to raw files and resources; many of one folder stand in one line."""
    used = {one["path"]: one for name in graph.ancestors(path, row) for one in graph.inputs(name)}

    def children(name: str) -> list[str]:
        below = [one["path"] for one in graph.inputs(name, row if name == path else None)]
        plain = [child for child in below if used[child]["made_by"] is None]
        folders = Counter(Path(child).parent.as_posix() for child in plain)
        many = {child for child in plain if folders[Path(child).parent.as_posix()] > MOST_OF_ONE_FOLDER}
        return [f"{Path(child).parent.as_posix()}/" if child in many else child for child in below]

    def title(name: str) -> str:
        if name.endswith("/"):
            return f"{name}  [{sum(Path(f).parent == Path(name) for f in used)} raw files or resources]"
        record = graph.record(name)
        if record is None:
            maker = used[name]["made_by"]
            made = f"by {maker}, its record is gone" if maker else "raw file or resource"
            return f"{name}  [{made}, {_size(used[name])}]"
        return f"{name}  [{record['rule']}, {_size(record['output'])}]"

    yield from tree(path, children, title)


def forward(results: Path, file: Path) -> Iterator[str]:
    """The tree of all outputs below a folder that were made of a file, or of what it lies in."""
    graph = Graph.around(results)
    users: dict[str, list[str]] = {}
    for place in records_below(results):
        record = load(place)
        for used in record["inputs"]:
            users.setdefault(used["path"], []).append(record["output"]["path"])
    known = {graph.current_path(path).absolute(): path for path in users}
    path = graph.output_of(file) or known.get(file.absolute()) or known.get(file.resolve())
    if path is None:
        raise UserError(f"{file}: no output below {results} was made of it")

    def title(name: str) -> str:
        record = graph.record(name)
        return f"{name}  [{record['rule']}, {_size(record['output'])}]" if record else f"{name}  [raw file or resource]"

    yield from tree(path, lambda name: sorted(users.get(name, [])), title)


def steps(graph: Graph, path: str, row: dict[str, str] | None) -> list[list[Record]]:
    """Records of all that an output descends from, those of one run of a step together, in the order of use."""
    runs: dict[str, list[Record]] = {}
    for name in graph.ancestors(path, row):
        record = graph.record(name)
        if record is not None:
            runs.setdefault(shlex.join([*record["command"], record["started"]]), []).append(record)
    return list(runs.values())


def story(records: list[Record]) -> Iterator[str]:
    """Everything that the records of one run of a step tell, as lines."""
    one = records[0]
    git = one["git"]
    commit = f"; commit {git['commit']}{' and uncommitted changes' if git['dirty'] else ''}" if git else ""
    versions = ", ".join(f"{name} {version}" for name, version in one["environment"]["packages"].items())
    hardware = ", ".join(f"{key} {_plain(value)}" for key, value in one["hardware"].items())
    yield f"{one['rule']}"
    for record in records:
        told = record["output"]
        rows = f", {told['rows']} rows" if "rows" in told else ""
        yield f"  made         {told['path']}  {told['bytes']} bytes{rows}, {told['sharing']}, sha256 {told['sha256']}"
    yield f"  command      {shlex.join(one['command'])}"
    yield f"  code         {one['code_digest']}, runtime {one['runtime_digest']}{commit}"
    for name, value in one["settings"].items():
        yield f"  setting      {name} = {_plain(value)}"
    yield f"  seed         {'none' if one['seed'] is None else one['seed']}"
    for name, values in one["facts"].items():
        yield f"  {name:12} {listed(values)}"
    yield f"  environment  python {one['environment']['python']}; {versions}"
    yield f"  hardware     {hardware}"
    yield f"  ran          {one['started']}, {one['wall_seconds']} s, at most {one['peak_memory_mb']} MB"
    yield f"  stand-ins    {', '.join(one['stand_ins']) or 'none'}"
    for used in one["inputs"]:
        maker = used["made_by"] or "raw file or resource"
        yield f"  input        {used['path']}  {used['bytes']} bytes, {maker}, sha256 {used['sha256']}"


def as_json(graph: Graph, target: Target, path: str) -> dict[str, Any]:
    """The same as data: the target, all records that it descends from by path, and the files without one."""
    names = graph.ancestors(path, target.row)
    roots = {
        used["path"]: {key: used[key] for key in ("bytes", "sha256")}
        for name in names
        for used in graph.inputs(name)
        if used["made_by"] is None and used["path"] in names
    }
    return {
        "target": path,
        "row": target.row,
        "column": target.column,
        "records": {name: graph.record(name) for name in names if graph.record(name)},
        "roots": roots,
    }


def _size(facts: dict[str, Any]) -> str:
    return f"{facts['bytes']} bytes, sha256 {facts['sha256'][:12]}"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
