"""Trace an output back to raw files, or a file forward to what was made from it."""

import csv
import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from clinragen.audit.graph import LINEAGE, Graph, listed, run_of, runs
from clinragen.errors import UserError
from clinragen.provenance.record import Record
from clinragen.provenance.tree import described_by, records_below

SCREEN = 16
MOST_NAMED = 3


@dataclass(frozen=True)
class Target:
    """A file, and optionally one of its rows (all values as text) and columns."""

    file: Path
    row: dict[str, str] | None = None
    column: str | None = None


def target_of(text: str) -> Target:
    """FILE, FILE#12, FILE#model=ClinRaGen,metric=micro_f1 or either with :column.

    The first row after the header is 1. Several rows may match if no column is asked for; the row of the target then
    holds the values that they share. UserError where the file is not a table, or no row or several rows match.
    """
    name, mark, cell = text.partition("#")
    if not mark or Path(text).exists():
        return Target(Path(text))
    file = Path(name)
    rows = _rows_of(file)
    wanted, mark, column = cell.rpartition(":")
    wanted, column = (wanted, column) if mark else (cell, "")
    pairs = {} if wanted.isdigit() else dict(pair.partition("=")[::2] for pair in wanted.split(",") if pair)
    unknown = [key for key in (*pairs, *filter(None, [column])) if rows and key not in rows[0]]
    if unknown:
        raise UserError(f"{file} has no column {', '.join(unknown)}; it has {', '.join(rows[0])}")
    if wanted.isdigit():
        if not 1 <= int(wanted) <= len(rows):
            raise UserError(f"{file} has {len(rows)} rows, and no row {wanted}")
        return Target(file, rows[int(wanted) - 1], column or None)
    found = [row for row in rows if pairs.items() <= row.items()]
    if not found or (column and len(found) > 1):
        raise UserError(f"{wanted} matches {len(found)} rows of {file}; expected exactly one")
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
    raise UserError(f"{file} is not a table: only rows of .csv and .parquet files can be traced")


def recorded_path(graph: Graph, target: Target) -> str:
    """The output that the target is or belongs to; UserError without a usable record."""
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
    """The answer in a few lines: value, stand-ins, commits, seeds, models, root, and how much is behind it."""
    names = graph.ancestors(path, target.row)
    records = [record for name in names if (record := graph.record(name))]
    # A row of a table may have fewer stand-ins than the whole table.
    behind = records[:-1] if target.row is not None and records[-1]["rows"] else records
    commits = Counter(
        f"{record['git']['commit'][:12]}{' with uncommitted changes' if record['git']['dirty'] else ''}"
        if record["git"]
        else "outside of git"
        for record in records
    )
    models = {listed(record["facts"]["models"]): None for record in records if "models" in record["facts"]}
    seeds = sorted({record["seed"] for record in records if record["seed"] is not None})
    home = next((p for p in target.file.absolute().parents if graph.root_of_tree(p)), None)
    if home and path in graph.ancestors(graph.relocation.recorded_path(home / LINEAGE)):
        root = f"{graph.root_of_tree(home)} (of {graph.relocation.recorded_path(home)})"
    else:
        root = f"{graph.root([path])} (of this output)"
    if target.column and target.row:
        yield f"{target.column}: {target.row[target.column]}"
    yield f"stand-ins  {', '.join(sorted({label for record in behind for label in record['stand_ins']})) or 'none'}"
    yield f"commits    {', '.join(f'{commit} ({number} outputs)' for commit, number in commits.items())}"
    yield f"seeds      {', '.join(map(str, seeds)) or 'none'}"
    yield f"models     {', '.join(models) or 'none'}"
    yield f"root       {root}"
    number = len(steps(graph, path, target.row))
    yield f"made in    {number} steps from {len(names) - len(records)} raw files and resources"
    for name in sorted(graph.corrupt):
        yield f"corrupt    {name}: {graph.corrupt[name]}"


def tree(
    start: str,
    below: Callable[[str], Iterable[str]],
    group: Callable[[str], str],
    title: Callable[[list[str]], str],
    depth: int | None,
) -> list[str]:
    """Lines of a tree, `depth` levels of it; None for as many as fit on a screen, at least one.

    Siblings of one group are one line. What an earlier line shows is named again, and not unfolded.
    """
    if depth is None:
        lines = tree(start, below, group, title, 1)
        for levels in range(2, SCREEN):
            deeper = tree(start, below, group, title, levels)
            if len(deeper) > SCREEN or deeper == lines:
                break
            lines = deeper
        return lines
    shown, unfolded, lines = {start}, set(), []

    def unfold(names: list[str], first: str, indent: str, level: int) -> None:
        children = list(dict.fromkeys(child for name in names for child in below(name)))
        again = bool(children) and group(names[0]) in unfolded
        hidden = f"  (+{len(children)})" if children and level == depth else ""
        lines.append(f"{first}{title(names)}{'  (see above)' if again else hidden}")
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

    unfold([start], "", "", 0)
    return lines


def back(graph: Graph, path: str, row: dict[str, str] | None, depth: int | None = None) -> list[str]:
    """The tree of an output, back to raw files and resources."""
    used = {one["path"]: one for name in graph.ancestors(path, row) for one in graph.inputs(name)}

    def below(name: str) -> list[str]:
        return [one["path"] for one in graph.inputs(name, row if name == path else None)]

    return tree(path, below, lambda name: _group(graph, name), lambda names: _title(graph, names, used), depth)


def forward(results: Path, file: Path) -> list[str]:
    """Number and names of the outputs below a directory that were made from a file, or by code that contains it.

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
    path = graph.output_of(file) or current.get(file.absolute()) or current.get(file.resolve())
    path = path or (module if module in users else None)
    if path is None:
        why = "; clinragen/runtime does not change contents" if "/runtime/" in module else ""
        raise UserError(f"{file}: no output below {results} was made from it or by code that contains it{why}")
    found = [path]
    for name in found:  # grows meanwhile
        found += dict.fromkeys(user for user in users.get(name, []) if user not in found)
    outputs = [(name, graph.record(name)["rule"]) for name in found[1:]]
    rules = Counter(rule for _, rule in outputs)
    numbers = ", ".join(f"{rule} {number}" for rule, number in rules.items()) or "none"
    return [f"{len(outputs)} outputs: {numbers}", *(f"{name}  [{rule}]" for name, rule in outputs)]


def _group(graph: Graph, name: str) -> str:
    """One run of a step for outputs, the directory for other files."""
    record = graph.record(name)
    return run_of(record) if record else PurePosixPath(name).parent.as_posix()


def _title(graph: Graph, names: list[str], used: dict[str, Any]) -> str:
    record = graph.record(names[0])
    kind = record["rule"] if record else "raw file or resource"
    if len(names) > 1:
        folders = {PurePosixPath(name).parent.as_posix() for name in names}
        what = f"{folders.pop()}/" if len(folders) == 1 else f"{names[0]} and {len(names) - 1} more"
        return f"{what}  [{kind}, {len(names)} files]"
    facts = record["output"] if record else used[names[0]]
    if not record and facts["made_by"]:
        kind = f"{facts['made_by']}, without a usable record"
    return f"{names[0]}  [{kind}, {facts['bytes']} bytes, sha256 {facts['sha256'][:12]}]"


def steps(graph: Graph, path: str, row: dict[str, str] | None) -> list[list[Record]]:
    """Records of an output and its ancestors, grouped by run of a step, in the order of use."""
    return runs(record for name in graph.ancestors(path, row) if (record := graph.record(name)))


def story(records: list[Record]) -> Iterator[str]:
    """All facts in the records of one run of a step, as lines."""
    one = records[0]
    git = one["git"]
    commit = f"; commit {git['commit']}{' with uncommitted changes' if git['dirty'] else ''}" if git else ""
    versions = ", ".join(f"{name} {version}" for name, version in one["environment"]["packages"].items())
    hardware = ", ".join(f"{key} {_plain(value)}" for key, value in one["hardware"].items())
    yield f"{one['rule']}"
    for record in records:
        made = record["output"]
        rows = f", {made['rows']} rows" if "rows" in made else ""
        yield f"  made         {made['path']}  {made['bytes']} bytes{rows}, {made['sharing']}, sha256 {made['sha256']}"
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
    """The target, the records of its ancestors by path, and the ancestors without one."""
    names = graph.ancestors(path, target.row)
    used = {one["path"]: one for name in names for one in graph.inputs(name) if one["made_by"] is None}
    return {
        "target": path,
        "row": target.row,
        "column": target.column,
        "records": {name: record for name in names if (record := graph.record(name))},
        "roots": {name: {key: used[name][key] for key in ("bytes", "sha256")} for name in names if name in used},
    }


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
