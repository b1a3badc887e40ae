"""Trace an output back to raw files, check it, or trace a file forward to what was made of it.

    python scripts/trace.py results/demo/tables/table2.csv
    python scripts/trace.py 'results/demo/tables/table2.csv#dataset=MIMIC-III,model=ClinRaGen,metric=micro_f1:ours_mean'
    python scripts/trace.py results/demo --verify
    python scripts/trace.py resources/prompts/terms.txt --forward

Everything is read from the records beside the outputs, so that a copy of the results is enough.
Exit status: 0, 1 when --verify came upon a problem, 2 when the question can not be answered.
"""

import argparse
import csv
import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path

from clinragen.audit.graph import Graph
from clinragen.audit.trace import as_json, back, forward, recorded_path, steps, story, target_of
from clinragen.audit.verify import Check, Findings
from clinragen.errors import UserError
from clinragen.provenance.record import record_path


def main() -> int:
    """Answer one question on standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="a file, FILE#ROW, FILE#COLUMN=VALUE,...[:COLUMN], or with --verify a folder")
    parser.add_argument("--short", action="store_true", help="the tree only, without the story of each step")
    parser.add_argument("--json", action="store_true", help="everything as JSON")
    parser.add_argument("--verify", action="store_true", help="hash everything anew and name what is not as recorded")
    parser.add_argument("--forward", action="store_true", help="what was made of the file")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where --forward looks")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        if asked.forward:
            return _tell(forward(asked.results, Path(asked.target)))
        target = target_of(asked.target)
        graph = Graph.around(target.file)
        if asked.verify:
            return _verify(graph, target.file, asked.json)
        path = recorded_path(graph, target)
        if asked.json:
            return _tell([json.dumps(as_json(graph, target, path), indent=1, ensure_ascii=False)])
        cell = [f"{target.column}: {target.row[target.column]}"] if target.column and target.row else []
        told = [*cell, *back(graph, path, target.row)]
        for number, records in enumerate([] if asked.short else steps(graph, path, target.row), start=1):
            first, *rest = story(records)
            told += ["", f"{number}. {first}", *rest]
        return _tell(told)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read has seen enough; nothing is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _verify(graph: Graph, place: Path, as_data: bool) -> int:
    left_out = graph.relocation.new / "left_out.csv"
    known = frozenset()
    if left_out.is_file():
        with left_out.open(encoding="utf-8", newline="") as file:
            known = frozenset(row["path"] for row in csv.DictReader(file))
    check = Check(graph, known)
    if place.is_dir() and not record_path(place).is_file():
        found = check.folder(place)
    else:
        found = check.outputs(graph.ancestors(recorded_path(graph, target_of(str(place)))))
    if as_data:
        lists = {key: sorted(v) if isinstance(v, set) else v for key, v in asdict(found).items()}
        _tell([json.dumps(lists, indent=1, ensure_ascii=False)])
    else:
        _tell(_summary(found))
    return 1 if found.problems else 0


def _summary(found: Findings) -> list[str]:
    lines = [str(problem) for problem in found.problems]
    for kind, paths in (("not here, so not looked at", found.roots_not_here), ("left out here", found.left_out)):
        lines += [f"{kind}: {path}" for path in sorted(paths)]
    lines.append(
        f"{found.outputs} outputs ({found.bytes} bytes) of {len(found.roots)} raw files and resources"
        f" ({len(found.roots_not_here)} not here); {len(found.left_out)} outputs left out;"
        f" {found.beside} logs, run times, journals and the like: {len(found.problems) or 'no'} problems"
    )
    return lines


def _tell(lines) -> int:  # type: ignore[no-untyped-def]
    for line in lines:
        print(line)
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
