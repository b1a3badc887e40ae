"""The lineage of outputs as a table: what made each, and whether the chain to raw files and resources is complete."""

from pathlib import Path

import pyarrow as pa

from clinragen.audit.graph import Graph
from clinragen.audit.verify import Check, Problem
from clinragen.errors import UserError
from clinragen.schemas.audit import LINEAGE


def list_lineage(targets: list[Path]) -> tuple[pa.Table, list[Problem], str]:
    """A row per output that the targets descend from (LINEAGE), all problems, and the root of the targets.

    Contents are read again only of outputs that are newer than their record.
    """
    if not targets:
        return LINEAGE.schema.empty_table(), [], ""
    graph = Graph.around(targets[0])
    paths = [graph.output_of(target) for target in targets]
    for path, target in zip(paths, targets, strict=True):
        if path is None:
            reason = graph.corrupt.get(graph.relocation.recorded_path(target), "no record describes it")
            raise UserError(f"{target}: {reason}; regenerate it")
    outputs = dict.fromkeys(name for path in paths for name in graph.ancestors(path) if graph.record(name))
    problems = Check(graph, contents=False).outputs(outputs).problems
    wrong = {problem.path for problem in problems}
    rows = []
    for path in sorted(outputs):
        record, above = graph.record(path), graph.ancestors(path)
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
                "roots": sum(graph.record(name) is None for name in above),
                "complete": wrong.isdisjoint(above),
                "stand_ins": "; ".join(record["stand_ins"]) or None,
            }
        )
    return pa.Table.from_pylist(rows, schema=LINEAGE.schema), problems, graph.root(paths)
