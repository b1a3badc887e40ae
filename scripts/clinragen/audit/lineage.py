"""The lineage of outputs as a table: what made each, and whether the chain to raw files and resources is whole."""

from pathlib import Path

import pyarrow as pa

from clinragen.audit.graph import Graph
from clinragen.audit.verify import Check, Problem
from clinragen.errors import UserError
from clinragen.schemas.audit import LINEAGE


def list_lineage(targets: list[Path]) -> tuple[pa.Table, list[Problem]]:
    """A row per output that the targets descend from (LINEAGE), and all problems; contents are not read again."""
    if not targets:
        return LINEAGE.schema.empty_table(), []
    graph = Graph.around(targets[0])
    outputs: dict[str, None] = {}
    for target in targets:
        path = graph.output_of(target)
        if path is None:
            raise UserError(f"{target}: no record tells what made it; make it anew")
        outputs |= dict.fromkeys(name for name in graph.ancestors(path) if graph.record(name))
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
    return pa.Table.from_pylist(rows, schema=LINEAGE.schema), problems
