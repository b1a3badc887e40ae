"""The page of the lineage: every output with what made it, linked to its inputs."""

import json
import shlex
from pathlib import Path, PurePosixPath
from typing import Any

from clinragen.audit.graph import Graph, Record, listed
from clinragen.pages.render import render

# From the tables back to the raw files.
STAGES = ("evaluate", "asked", "train", "rationale", "knowledge", "benchmark", "extract", "demo")
LONGEST_OPEN_LIST = 15


def lineage_page(outputs: list[str], tree: str, root: str, templates: list[Path]) -> str:
    """Return the page of these outputs, by their recorded paths; `tree` is the recorded path of the results tree.

    `root` is the root of its records (`graph.root_of`).

    Of an absolute path outside the tree only the end is shown: the location of a user's raw files is private.
    """
    graph = Graph.around(Path(outputs[0])) if outputs else None
    records = {path: graph.record(path) for path in outputs} if graph else {}
    users: dict[str, list[str]] = {}
    for path, record in records.items():
        for used in record["inputs"]:
            users.setdefault(used["path"], []).append(path)
    shown = {path: _shown(path, tree) for path in {*records, *users}}
    stages: dict[str, list[dict[str, Any]]] = {}
    for path, record in sorted(records.items(), key=lambda item: _stage_order(item[1])):
        stages.setdefault(_stage(record), []).append(_output(path, record, shown, users, tree))
    used = {i["path"]: i for record in records.values() for i in record["inputs"] if i["path"] not in records}
    sources = [{**used[path], "name": shown[path], "users": [shown[p] for p in users[path]]} for path in sorted(used)]
    stand_ins = sorted({label for record in records.values() for label in record["stand_ins"]})
    return render("lineage", templates, root=root, stages=stages, sources=sources, stand_ins=stand_ins)


def _output(path: str, record: Record, shown: dict[str, str], users: dict[str, list[str]], tree: str) -> dict[str, Any]:
    output, git, environment = record["output"], record["git"], record["environment"]
    commit = f"{git['commit']}{' with uncommitted changes' if git['dirty'] else ''}" if git else "outside of git"
    rows = f", {output['rows']:,} rows" if "rows" in output else ""
    packages = ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
    of_rows = {used for part in record["rows"] for used in part["inputs"]}
    return {
        "name": shown[path],
        "facts": {
            "made by": f"{record['rule']}, {record['started']}, in {record['wall_seconds']} s",
            "content": f"{output['bytes']:,} bytes{rows}, {output['sharing']}",
            "sha256": output["sha256"],
            "code": f"{record['code_digest']}, runtime {record['runtime_digest']}, commit {commit}",
            "seed": "none" if record["seed"] is None else record["seed"],
            **{name: listed(values) for name, values in record["facts"].items()},
            "stand-ins": ", ".join(record["stand_ins"]) or "none",
        },
        "command": _command(record, shown, tree),
        "environment": f"python {environment['python']}; {packages}\n{json.dumps(record['hardware'])}",
        "open": len(record["inputs"]) <= LONGEST_OPEN_LIST or bool(of_rows),
        "number_of_inputs": len(record["inputs"]),
        "inputs": [shown[i["path"]] for i in record["inputs"] if i["path"] not in of_rows],
        "rows": [
            {
                "place": "/".join([shown[path], *part["where"].values()]),
                "label": " · ".join(part["where"].values()),
                "inputs": [shown[used] for used in part["inputs"]],
            }
            for part in record["rows"]
        ],
        "users": [shown[user] for user in users.get(path, [])],
    }


def _stage(record: Record) -> str:
    return record["rule"].split("_")[0]


def _stage_order(record: Record) -> tuple[int, str]:
    stage = _stage(record)
    return (STAGES.index(stage) if stage in STAGES else len(STAGES), stage)


def _shown(path: str, tree: str) -> str:
    place = PurePosixPath(path)
    if place.is_relative_to(tree):
        return place.relative_to(tree).as_posix()
    return "/".join(["…", *place.parts[-2:]]) if place.is_absolute() else path


def _command(record: Record, shown: dict[str, str], tree: str) -> str:
    def word(text: str) -> str:
        return shown.get(text) or (_shown(text, tree) if text.startswith((tree, "/")) else text)

    return shlex.join(word(text) for text in record["command"])
