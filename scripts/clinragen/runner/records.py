"""Check the outputs behind the tables by their records before and after a run: Snakemake looks at neither."""

import shlex
import sys
from pathlib import Path

from clinragen.audit.verify import TRACKED, Check
from clinragen.provenance.graph import LINEAGE, Graph

MOST_LISTED = 20


def check_tree(tree: Path) -> tuple[list[str], str | None]:
    """Check everything behind the tables of a results tree in seconds: existence, names, sizes, times and records.

    Returns what does not match, with the command that repairs it, and the root of the tree. Both are empty before the
    first complete run. Snakemake looks at none of this as long as the targets exist.
    """
    if not (tree / LINEAGE).is_file():
        return [], None
    graph = Graph.around(tree / LINEAGE)
    lineage = graph.relocation.recorded_path(tree / LINEAGE)
    names = graph.ancestors(lineage)
    if graph.record(lineage) is None:
        graph.corrupt.setdefault(lineage, "its record is missing")
    problems = Check(graph, contents=False).outputs(names).problems
    stale = len({problem.path for problem in problems if problem.kind == "stale"})
    others = [problem for problem in problems if problem.kind != "stale"]
    lines = [str(problem) for problem in others[:MOST_LISTED]]
    if len(others) > MOST_LISTED:
        lines.append(f"and {len(others) - MOST_LISTED} more: python scripts/trace.py {shlex.quote(str(tree))} --verify")
    tracked = sorted({p.path for p in others if p.kind == "missing" and p.path.startswith(TRACKED)})
    # What to do with a file that no rule made is for its owner to decide.
    again = sorted({p.path for p in others if p.kind != "untracked"} - set(tracked))
    repairs = (("git checkout", tracked), ("snakemake all <options of this run> --forcerun", again))
    lines += [f"repair with: {command} {shlex.join(paths)}" for command, paths in repairs if paths]
    if stale:
        lines.append(f"{stale} outputs are stale by their records; `make why` says why, even where no job would run")
    return lines, graph.root_of_tree(tree)


def warn_before_run(tree: Path) -> None:
    """Print the problems of a tree."""
    lines, _ = check_tree(tree)
    print(*(f"{tree}: {line}" for line in lines), sep="\n", end="\n" * bool(lines), file=sys.stderr)


def report_after_run(tree: Path) -> None:
    """Print the problems of a tree, and its root."""
    lines, root = check_tree(tree)
    lines += [f"root of the records: {root}"] if root else []
    print(*(f"{tree}: {line}" for line in lines), sep="\n", end="\n" * bool(lines), file=sys.stderr)
