"""Trace an output back to raw files, or a file forward to what was made from it."""

import csv
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from clinragen.errors import UserError
from clinragen.provenance.graph import LINEAGE, Graph, commit_of, listed, run_of, runs
from clinragen.provenance.record import File, Input, Record
from clinragen.provenance.tree import described_by, records_below

SCREEN, WIDTH = 16, 120
MOST_NAMED = 3


@dataclass(frozen=True)
class Target:
    """A file, and optionally one of its rows (all values as text) and columns."""

    file: Path
    row: dict[str, str] | None = None
    column: str | None = None


def target_of(text: str) -> Target:
    """Parse FILE, FILE#12, FILE#model=ClinRaGen,metric=micro_f1 or either with :column.

    The first row after the header is 1. Several rows may match if no column is asked for; the row of the target then
    holds the values that they share. UserError where the file is not a table, or no row or several rows match.
    """
    name, mark, cell = text.partition("#")
    if not mark or Path(text).exists():
        return Target(Path(text))
    file, (row, _, column) = Path(name), cell.rpartition(":") if ":" in cell else (cell, "", "")
    rows = _rows_of(file)
    pairs = {} if row.isdigit() else dict(pair.partition("=")[::2] for pair in row.split(",") if pair)
    unknown = [key for key in (*pairs, *filter(None, [column])) if rows and key not in rows[0]]
    if unknown:
        raise UserError(f"{file} has no column {', '.join(unknown)}; it has {', '.join(rows[0])}")
    if row.isdigit() and not 1 <= int(row) <= len(rows):
        raise UserError(f"{file} has {len(rows)} rows, and no row {row}")
    matches = [rows[int(row) - 1]] if row.isdigit() else [r for r in rows if pairs.items() <= r.items()]
    if not matches or (column and len(matches) > 1):
        raise UserError(f"{row} matches {len(matches)} rows of {file}; expected exactly one")
    shared = {key: value for key, value in matches[0].items() if all(r[key] == value for r in matches)}
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
    raise UserError(f"{file} is not a table: only rows of .csv and .parquet files can be traced")


def recorded_path(graph: Graph, target: Target) -> str:
    """Return the output that the target is or belongs to; UserError without a usable record."""
    if not target.file.exists():
        raise UserError(f"{target.file}: no such file")
    path = graph.output_of(target.file)
    if path is None:
        reason = "; ".join(graph.corrupt.values()) or (
            "no record describes it; it is a raw file, a resource or not of this workflow (--forward shows what was "
            "made from it)"
        )
        raise UserError(f"{target.file}: {reason}")
    return path


def summary(graph: Graph, target: Target, path: str) -> Iterator[str]:
    """Yield value, stand-ins, commits, seeds, models, root, and the number of steps, a line each."""
    names = graph.ancestors(path, target.row)
    records = [record for name in names if (record := graph.record(name))]
    # A row of a table may have fewer stand-ins than the whole table.
    behind = records[:-1] if target.row is not None and records[-1]["rows"] else records
    commits = Counter(commit_of(record) for record in records)
    recorded = graph.relocation.recorded_path
    trees = (p for p in target.file.absolute().parents if path in graph.ancestors(recorded(p / LINEAGE)))
    tree = next((p for p in trees if graph.root_of_tree(p)), None)
    root = f"{graph.root_of_tree(tree)} (of {recorded(tree)})" if tree else f"{graph.root([path])} (of this output)"
    if target.column and target.row:
        yield f"{target.column}: {target.row[target.column]}"
    for title, values in {
        "stand-ins": sorted({label for record in behind for label in record["stand_ins"]}),
        "commits": [f"{commit} ({number} outputs)" for commit, number in commits.items()],
        "seeds": map(str, sorted({record["seed"] for record in records if record["seed"] is not None})),
        "models": dict.fromkeys(listed(record["facts"]["models"]) for record in records if "models" in record["facts"]),
    }.items():
        yield f"{title:10} {', '.join(values) or 'none'}"
    yield f"root       {root}"
    number = len(steps(graph, path, target.row))
    yield f"made in    {number} steps from {len(names) - len(records)} raw files and resources"
    yield from (f"corrupt    {name}: {graph.corrupt[name]}" for name in sorted(graph.corrupt))


def back(graph: Graph, path: str, row: dict[str, str] | None, depth: float | None = None) -> list[str]:
    """Return the tree of an output back to raw files, `depth` levels of it; None for as many as fit on a screen.

    Inputs from one run of a step, or from one directory, are one line. What is shown is not unfolded again.
    """
    if depth is None:
        trees = [back(graph, path, row, levels) for levels in range(1, SCREEN)]
        return next((tree for tree in reversed(trees) if len(tree) <= SCREEN), trees[0])
    used = {i["path"]: i for name in graph.ancestors(path, row) for i in graph.inputs_behind(name, path, row)}
    shown, unfolded, lines = {path}, set(), []

    def group(name: str) -> str:
        record = graph.record(name)
        return run_of(record) if record else PurePosixPath(name).parent.as_posix()

    def unfold(names: list[str], first: str, indent: str, level: int) -> None:
        inputs = (graph.inputs_behind(name, path, row) for name in names)
        children = list(dict.fromkeys(i["path"] for part in inputs for i in part))
        again = bool(children) and group(names[0]) in unfolded
        hidden = f"  (+{len(children)})" if children and level == depth else ""
        lines.append(f"{first}{_title(graph, names, used)}{'  (see above)' if again else hidden}")
        if again or hidden:
            return
        unfolded.add(group(names[0]))
        groups: dict[str, list[str]] = {}
        for child in children:
            groups.setdefault("" if child in shown else group(child), []).append(child)
        shown.update(children)
        earlier = groups.pop("", [])
        for number, members in enumerate(groups.values(), start=1):
            last = number == len(groups) and not earlier
            unfold(members, indent + ("└─ " if last else "├─ "), indent + ("   " if last else "│  "), level + 1)
        if earlier:
            more = f" and {len(earlier) - MOST_NAMED} more" if len(earlier) > MOST_NAMED else ""
            lines.append(f"{indent}└─ also {', '.join(earlier[:MOST_NAMED])}{more}")

    unfold([path], "", "", 0)
    return lines


def forward(results: Path, file: Path) -> list[str]:
    """List the outputs below a directory that were made from a file, or by code that contains it.

    A script or module is any file with a path below `scripts/`.
    """
    graph = Graph.around(results)
    users: dict[str, list[str]] = {}
    for here in map(described_by, records_below(results)):
        name = graph.relocation.recorded_path(here)
        if record := graph.record(name):
            for path in [*(used["path"] for used in record["inputs"]), *(f"scripts/{p}" for p in record["code"])]:
                users.setdefault(path, []).append(name)
    current = {graph.current_path(path).absolute(): path for path in users if not path.startswith("scripts/")}
    parts = file.absolute().parts
    module = "/".join(parts[parts.index("scripts") :]) if "scripts" in parts else ""
    start = graph.output_of(file) or current.get(file.absolute()) or current.get(file.resolve())
    start = start or (module if module in users else None)
    if start is None:
        why = "; clinragen/runtime does not change contents" if "/runtime/" in module else ""
        raise UserError(f"{file}: no output below {results} was made from it or by code that contains it{why}")
    reached = [start]
    for name in reached:  # grows meanwhile
        reached += dict.fromkeys(user for user in users.get(name, []) if user not in reached)
    outputs = {name: record["rule"] for name in reached[1:] if (record := graph.record(name))}
    numbers = ", ".join(f"{rule} {number}" for rule, number in Counter(outputs.values()).items()) or "none"
    return [f"{len(outputs)} outputs: {numbers}", *(f"{name}  [{rule}]" for name, rule in outputs.items())]


def _title(graph: Graph, names: list[str], used: dict[str, Input]) -> str:
    record = graph.record(names[0])
    maker = None if record else used[names[0]]["made_by"]
    kind = record["rule"] if record else f"{maker}, without a usable record" if maker else "raw file or resource"
    if len(names) > 1:
        directories = {PurePosixPath(name).parent.as_posix() for name in names}
        what = f"{directories.pop()}/" if len(directories) == 1 else f"{names[0]} and {len(names) - 1} more"
        return f"{what}  [{kind}, {len(names)} files]"
    facts: File = record["output"] if record else used[names[0]]
    return f"{names[0]}  [{kind}, {facts['bytes']} bytes, sha256 {facts['sha256'][:12]}]"


def steps(graph: Graph, path: str, row: dict[str, str] | None) -> list[list[Record]]:
    """Return the records of an output and its ancestors, grouped by run of a step, in the order of use."""
    return runs(record for name in graph.ancestors(path, row) if (record := graph.record(name)))


def facts_of(records: list[Record]) -> list[str]:
    """Return all facts in the records of one run of a step as lines of YAML."""
    facts = records[0] | {"command": shlex.join(records[0]["command"]), "output": [r["output"] for r in records]}
    return yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=WIDTH).splitlines()


def as_json(graph: Graph, target: Target, path: str) -> dict[str, Any]:
    """Return the target, the records of its ancestors by path, and the ancestors without one."""
    names = graph.ancestors(path, target.row)
    used = {one["path"]: one for name in names for one in graph.inputs(name) if one["made_by"] is None}
    return {
        "target": path,
        "row": target.row,
        "column": target.column,
        "records": {name: record for name in names if (record := graph.record(name))},
        "roots": {name: {key: used[name][key] for key in ("bytes", "sha256")} for name in names if name in used},
    }
