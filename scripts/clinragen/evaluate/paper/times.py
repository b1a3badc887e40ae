"""The paper's Table 3: how long the jobs of each stage took.

Times are in the timings that Snakemake writes for each job and in the provenance records of the outputs. They are not
inputs of the rule, because a new time must not make a job rerun.
"""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.config.paper import TimedJob
from clinragen.errors import UserError
from clinragen.evaluate.paper.forms import distinct
from clinragen.evaluate.paper.missing import Missing
from clinragen.evaluate.paper.verdict import MISSING, NOT_COMPARABLE
from clinragen.provenance.record import Record, read_record
from clinragen.registry.raw import TITLES
from clinragen.schemas.costs import COSTS
from clinragen.schemas.paper import TIMES

ALL = "all"
RETRIEVAL = "Knowledge Retrieval"
TEACHING = "LLM-Guided Rationale Generation"
# Stages of costs.csv whose answers belong to a stage of the paper.
ANSWERS = {RETRIEVAL: ("terms",), TEACHING: ("note_rationale", "lab_rationale")}


@dataclass(frozen=True)
class Time:
    """One job: wall-clock and CPU seconds, machine, and the stand-ins behind its output."""

    job: TimedJob
    wall: float
    cpu: float | None
    hardware: str
    stand_ins: tuple[str, ...]


def timing_path(timings: Path, results: Path, output: Path, rule: str) -> Path:
    """Return the file with the timing of the job that made an output; its name joins the wildcards of the output.

    tests/unit/test_evaluate_paper_times.py compares it with the rules.
    """
    parts = output.relative_to(results).with_suffix("").parts
    if rule == "knowledge_vocabulary":
        name = f"{parts[1]}-{parts[2]}"
    elif parts[0] == "knowledge":
        name = parts[1] if rule == "knowledge_documents" else "all"
    elif parts[1] == "rationale":
        # A shard is a file in a directory named after the part.
        name = f"{parts[0]}-{parts[2]}" + "".join(f"/{shard}" for shard in parts[4:])
    else:
        name = "-".join((parts[0], *parts[2:-1]))
    return timings / rule / f"{name}.jsonl"


def read_times(jobs: list[TimedJob], outputs: list[Path], timings: Path, results: Path) -> list[Time]:
    """Return the times of the jobs that made these outputs; raise UserError for an output without a record.

    If the timing is missing, as in a copied tree, the wall-clock time comes from the record.
    """
    times = []
    for job, output in zip(jobs, outputs, strict=True):
        record = read_record(output)
        if record is None:
            raise UserError(f"{output} has no provenance record, so its time is unknown; regenerate it with its rule")
        rule = record["rule"]
        timing = _last_line(timing_path(timings, results, output, rule))
        earlier = record.get("earlier_seconds", 0.0)
        wall = timing.get("s", record["wall_seconds"]) + earlier
        # Nothing sampled the CPU time of earlier attempts up to their last checkpoint.
        cpu = None if earlier else timing.get("cpu_time")
        cpu = float(cpu) if isinstance(cpu, int | float) else None
        times.append(Time(job, float(wall), cpu, _machine(record), tuple(record["stand_ins"])))
    return times


def _last_line(path: Path) -> dict[str, Any]:
    """Return the timing of a job's last run; empty if it is missing or unreadable."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        timing = json.loads(lines[-1])
        return timing if isinstance(timing.get("s"), int | float) else {}
    except (OSError, ValueError, IndexError, AttributeError):
        return {}


def _machine(record: Record) -> str:
    """Describe the GPUs, CPUs and memory of the machine in a record."""
    facts = record["hardware"]
    gpus = facts.get("gpus", [])
    parts = [f"{gpus.count(name)} x {name}" for name in sorted(set(gpus))]
    parts += [f"{facts['cpus']} CPUs"] if "cpus" in facts else []
    parts += [f"{facts['memory_mb'] / 1024:.0f} GB"] if "memory_mb" in facts else []
    nodes = facts.get("nodes", 1)
    return ", ".join(parts) + (f", {nodes} nodes" if nodes > 1 else "") or "unknown"


def read_paper_times(path: Path) -> dict[str, float]:
    """Return the seconds of each stage in the paper (resources/paper_table3.csv)."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["stage"]: float(row["seconds"]) for row in csv.DictReader(file)}


def answers_of(costs: list[Path], teacher: str | None) -> list[dict[str, Any]]:
    """Return the rows of COSTS about the key terms and one teacher, with the paper's names of the datasets."""
    rows = [row for path in costs for row in COSTS.read(path).to_pylist()]
    kept = [row for row in rows if row["stage"] in ANSWERS[RETRIEVAL] or row["llm"] == teacher]
    return [row | {"dataset": TITLES.get(row["dataset"])} for row in kept]


def times_table(paper: dict[str, float], times: list[Time], costs: list[dict[str, Any]], missing: Missing) -> pa.Table:
    """Return a row per stage, for all datasets together and for each (TIMES); a stage without jobs has no times.

    `costs` comes from `answers_of`. Trainings with several seeds count with their mean, because the paper does not say
    that its times are sums over its five runs.
    """
    rows = []
    for stage, seconds in paper.items():
        of_stage = [time for time in times if time.job.stage == stage]
        datasets = distinct(time.job.dataset for time in of_stage)
        for dataset in [ALL, *datasets]:
            of_dataset = [time for time in of_stage if dataset in (ALL, time.job.dataset)]
            rows.append(_row(stage, dataset, of_dataset, _answers(costs, stage, dataset), missing))
            rows[-1]["paper_seconds"] = seconds if dataset == ALL else None
    return pa.Table.from_pylist(rows, schema=TIMES.schema)


def _row(
    stage: str, dataset: str, times: list[Time], answers: list[dict[str, Any]], missing: Missing
) -> dict[str, Any]:
    runs = max(len({time.job.seed for time in times}), 1)
    stand_ins = sorted({label for time in times for label in time.stand_ins})
    dollars = [row["dollars"] for row in answers]
    return {
        "stage": stage,
        "dataset": dataset,
        "jobs": len(times),
        "runs": runs if times else 0,
        "wall_seconds": _sum((time.wall for time in times), runs),
        "cpu_seconds": _sum((time.cpu for time in times), runs),
        "answer_seconds": _sum((row["seconds"] for row in answers), 1) if times else None,
        "dollars": sum(dollars) if times and dollars and None not in dollars else None,
        "hardware": "; ".join(sorted({time.hardware for time in times})) or None,
        "verdict": NOT_COMPARABLE if times else MISSING,
        "stand_ins": "; ".join(stand_ins) or None,
        "make": None if times else missing.how(stage),
    }


def _sum(values: Iterable[float | None], runs: int) -> float | None:
    """Return the sum per run; None without values or if one of them is unknown."""
    numbers = []
    for value in values:
        if value is None:
            return None
        numbers.append(value)
    return round(sum(numbers) / runs, 3) if numbers else None


def _answers(costs: list[dict[str, Any]], stage: str, dataset: str) -> list[dict[str, Any]]:
    return [row for row in costs if row["stage"] in ANSWERS.get(stage, ()) and dataset in (ALL, row["dataset"])]
