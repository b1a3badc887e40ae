"""The lineage of outputs, as a table and as a page: what made each, from what, and whether its chain is complete."""

import json
import shlex
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from clinragen.audit.verify import Check, Problem
from clinragen.errors import UserError
from clinragen.pages.render import render
from clinragen.pages.tree import shown_tree
from clinragen.provenance.graph import Graph, commit_of, listed
from clinragen.schemas.audit import LINEAGE

# From the tables back to the raw files.
STAGES = ("evaluate", "asked", "train", "rationale", "knowledge", "benchmark", "extract", "demo")
LONGEST_OPEN_LIST = 15
REPOSITORY = ("resources/", "scripts/")  # inputs that are part of the code, not raw files


def list_lineage(targets: list[Path]) -> tuple[pa.Table, list[Problem], str]:
    """Return a row per output that the targets descend from (LINEAGE), all problems, and the root of the targets.

    Contents are read again only of outputs that are newer than their record.
    """
    if not targets:
        return LINEAGE.schema.empty_table(), [], ""
    graph, paths = Graph.around(targets[0]), []
    for target in targets:
        if (path := graph.output_of(target)) is None:
            reason = graph.corrupt.get(graph.relocation.recorded_path(target), "no record describes it")
            raise UserError(f"{target}: {reason}; regenerate it")
        paths.append(path)
    above = {name: record for path in paths for name in graph.ancestors(path) if (record := graph.record(name))}
    problems = Check(graph, contents=False).outputs(above).problems
    wrong = {problem.path for problem in problems}
    rows = []
    for path, record in sorted(above.items()):
        git, output, ancestors = record["git"], record["output"], graph.ancestors(path)
        rows.append(
            {
                "output": path,
                "rule": record["rule"],
                **{key: output.get(key) for key in ("sharing", "bytes", "sha256")},
                "code_digest": record["code_digest"],
                "commit": git["commit"] + ("+" if git["dirty"] else "") if git else None,
                "inputs": len(record["inputs"]),
                "roots": sum(graph.record(name) is None for name in ancestors),
                "complete": wrong.isdisjoint(ancestors),
                "stand_ins": "; ".join(record["stand_ins"]) or None,
            }
        )
    return pa.Table.from_pylist(rows, schema=LINEAGE.schema), problems, graph.root(paths)


def lineage_page(
    outputs: list[str], tree: str, root: str, templates: list[Path], problems: Iterable[Problem] = ()
) -> str:
    """Return the page of outputs by their recorded paths, with the recorded path of their tree and its root.

    Of an absolute path outside the tree only the end is shown, and of `problems` only kind and path: the location of a
    user's raw files is private.
    """
    graph = Graph.around(Path(outputs[0])) if outputs else None
    records = {path: record for path in outputs if graph and (record := graph.record(path))}
    users: dict[str, list[str]] = {}
    for path, record in records.items():
        for used in record["inputs"]:
            users.setdefault(used["path"], []).append(path)
    shown = {path: _shown(path, tree) for path in {*records, *users}}

    def word(text: str) -> str:
        return shown.get(text) or (_shown(text, tree) if text.startswith((tree, "/")) else text)

    # A job that makes a table makes its page, too.
    pages = {tuple(record["command"]): shown[path] for path, record in records.items() if path.endswith(".html")}
    machines: Counter[str] = Counter()
    stages: dict[str, list[dict[str, Any]]] = {stage: [] for stage in STAGES}
    for path, record in records.items():
        machines[machine := json.dumps(record["hardware"])] += 1
        of_rows = {used for part in record["rows"] for used in part["inputs"]}
        stages.setdefault(record["rule"].split("_")[0], []).append(
            {
                "path": path,
                "record": record,
                "commit": commit_of(record),
                "command": shlex.join(word(text) if text.startswith("/") else text for text in record["command"]),
                "page": pages.get(tuple(record["command"])),
                "facts": {name: listed(values) for name, values in record["facts"].items()},
                "machine": list(machines).index(machine) + 1,
                "open": len(record["inputs"]) <= LONGEST_OPEN_LIST or bool(of_rows),
                "of_rows": of_rows,
            }
        )
    stages = {stage: members for stage, members in stages.items() if members}
    every = [output for members in stages.values() for output in members]
    sources = {i["path"]: i for record in records.values() for i in record["inputs"] if i["path"] not in records}
    return render(
        "lineage",
        templates,
        tree=shown_tree(Path(tree)),
        hash=root,
        stand_ins=sorted({label for record in records.values() for label in record["stand_ins"]}),
        problems=dict.fromkeys((problem.kind, word(problem.path)) for problem in problems),
        environments=environments(every),
        machines=machines,
        raw=sum(not path.startswith(REPOSITORY) for path in sources),
        commits=Counter(output["commit"] for output in every),
        stages=stages,
        sources=dict(sorted(sources.items())),
        shown=shown,
        users=users,
    )


def environments(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return Python, packages and number of outputs of each environment, and write its number, from 1, into these.

    A record has the packages that its step imported; outputs are of one environment if no version differs.
    """
    found: list[dict[str, Any]] = []
    for output in outputs:
        python, packages = (output["record"]["environment"][name] for name in ("python", "packages"))
        for own in found:
            if own["python"] == python and all(own["packages"].get(n, v) == v for n, v in packages.items()):
                break
        else:
            found.append(own := {"number": len(found) + 1, "python": python, "packages": {}, "outputs": 0})
        own["packages"] |= packages
        own["outputs"] += 1
        output["environment"] = own["number"]
    return found


def _shown(path: str, tree: str) -> str:
    file = PurePosixPath(path)
    if file.is_relative_to(tree):
        return file.relative_to(tree).as_posix()
    return "/".join(["…", *file.parts[-2:]]) if file.is_absolute() else path
