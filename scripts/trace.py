"""Trace an output back to raw files, verify it, or trace a file forward to what was made from it.

    python scripts/trace.py results/demo/tables/table2.csv
    python scripts/trace.py 'results/demo/tables/table2.csv#dataset=MIMIC-III,model=ClinRaGen,metric=micro_f1:ours_mean'
    python scripts/trace.py results/demo --verify --root HASH
    python scripts/trace.py resources/prompts/terms.txt --forward
    python scripts/trace.py scripts/clinragen/benchmark/course.py --forward

Only the provenance records next to the outputs are read, so a copy of the results is enough.
Exit status: 0, 1 if --verify found a problem or another root, 2 if the question cannot be answered.
"""

import argparse
import csv
import json
import logging
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from clinragen.audit.trace import as_json, back, facts_of, forward, recorded_path, steps, summary, target_of
from clinragen.audit.verify import Check, Findings
from clinragen.errors import UserError
from clinragen.provenance.graph import Graph
from clinragen.provenance.record import describe, record_path


def main() -> int:
    """Print the answer to one query."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="a file, FILE#ROW, FILE#COLUMN=VALUE,...[:COLUMN], or with --verify a directory")
    parser.add_argument("--depth", type=_depth, default=None, help="levels of the tree, or all; default: one screen")
    parser.add_argument("--long", action="store_true", help="also all facts about each step")
    parser.add_argument("--json", action="store_true", help="everything as JSON")
    parser.add_argument("--verify", action="store_true", help="hash everything again and name what differs")
    parser.add_argument("--root", help="with --verify: the root that the records must have")
    parser.add_argument("--forward", action="store_true", help="all outputs made from the file, script or module")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where --forward looks")
    given = parser.parse_args()
    if given.root and not given.verify:
        parser.error("--root needs --verify")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        if given.forward:
            return _print(forward(given.results, Path(given.target)))
        target = target_of(given.target)
        graph = Graph.around(target.file)
        if given.verify:
            return _verify(graph, target.file, given.root, given.json)
        path = recorded_path(graph, target)
        record = graph.record(path)
        if target.row and record and describe(target.file)["sha256"] != record["output"]["sha256"]:
            raise UserError(
                f"{target.file} differs from its record, so the origin of its values is unknown; see --verify"
            )
        if given.json:
            return _print([json.dumps(as_json(graph, target, path), indent=1, ensure_ascii=False)])
        lines = [*summary(graph, target, path), "", *back(graph, path, target.row, given.depth)]
        for number, records in enumerate(steps(graph, path, target.row) if given.long else [], start=1):
            lines += ["", f"{number}. {records[0]['rule']}", *(f"   {line}" for line in facts_of(records))]
        return _print(lines)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader has seen enough; nothing is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _depth(text: str) -> float:
    if text != "all" and not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of levels or 'all'")
    return float("inf") if text == "all" else int(text)


def _verify(graph: Graph, place: Path, expected_root: str | None, as_data: bool) -> int:
    left_out = graph.relocation.new / "left_out.csv"
    rows = csv.DictReader(left_out.read_text(encoding="utf-8").splitlines()) if left_out.is_file() else []
    check = Check(graph, frozenset(row["path"] for row in rows))
    if place.is_dir() and not record_path(place).is_file():
        found, root, of = check.directory(place), graph.root_of_tree(place), ""
    else:
        path = recorded_path(graph, target_of(str(place)))
        # Not the root of the tree, which has all outputs behind the tables.
        found, root, of = check.outputs(graph.ancestors(path)), graph.root([path]), " of this output"
    if expected_root and root is None:
        raise UserError(f"{place} has no root: audit/lineage.csv, which lists the outputs behind it, has no record")
    other_root = expected_root not in (None, root)
    if as_data:
        lists = {key: sorted(v) if isinstance(v, set) else v for key, v in asdict(found).items()}
        _print([json.dumps(lists | {"root": root}, indent=1, ensure_ascii=False)])
    else:
        lines = [f"the root differs: {root}, expected {expected_root}"] if other_root else []
        _print([*_summary(found), f"root{of}: {root or 'none, because audit/lineage.csv has no record'}", *lines])
    return 1 if found.problems or other_root else 0


def _summary(found: Findings) -> list[str]:
    lines = [str(problem) for problem in found.problems]
    for kind, paths in (("not here, not checked", found.roots_not_here), ("left out here", found.left_out)):
        lines += [f"{kind}: {path}" for path in sorted(paths)]
    if found.other_runtime:
        lines.append(
            f"{found.other_runtime} outputs were written by another version of the runtime, "
            "which does not change contents"
        )
    lines.append(
        f"{found.outputs} outputs ({found.bytes} bytes) of {len(found.roots)} raw files and resources"
        f" ({len(found.roots_not_here)} not here); {len(found.left_out)} outputs left out;"
        f" {found.not_audited} logs, timings, journals and the like: {len(found.problems) or 'no'} problems"
    )
    return lines


def _print(lines: Iterable[str]) -> int:
    for line in lines:
        print(line)
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
