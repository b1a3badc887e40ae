"""Shards of rationales: a failure costs one shard, and each server is used by one job at a time."""

import json
import re
from pathlib import Path

import pytest
from reruns import planned_jobs
from runs import dry_run, succeeded

STEM = "results/none/{}/rationale/{}"
SHARDS = 3


def plan(*arguments: str) -> tuple[set, str]:
    """Return the jobs for rationales on both datasets, by the template and by a server, and the printed plan."""
    settings = {
        "pathvars": {"results": "results/none"},
        "rationale": {"shards": SHARDS},
        "llm_transport": {"chatgpt": {"base_url": "http://127.0.0.1:9/v1", "data_use": "local-server"}},
    }
    words = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
    targets = [f"{STEM.format(d, t)}/labs.parquet" for d in ("mimic3", "mimic4") for t in ("template", "chatgpt")]
    printed = succeeded(
        dry_run("--configfile", "config/demo.yaml", "--config", *words, "--", *targets, OPENAI_API_KEY="x")
    )
    return planned_jobs(printed), printed


@pytest.fixture(scope="module")
def planned() -> tuple[set, str]:
    return plan()


def test_a_shard_of_lab_rationales_waits_for_its_note_rationales_only(planned):
    jobs, _ = planned
    labs = [job for job in jobs if job.rule == "rationale_labs"]
    assert len(labs) == 4 * SHARDS == sum(job.rule == "rationale_notes" for job in jobs)
    for job in labs:
        shard = Path(job.outputs[0])
        notes = {path for path in job.inputs if "/notes" in path}
        assert notes == {str(shard.parents[1] / "notes" / shard.name)}
    joined = {job.outputs[0]: job.inputs for job in jobs if job.rule == "rationale_join"}
    assert {Path(path).name for path in joined} == {"labs.parquet"} and len(joined) == 4
    for path, parts in joined.items():
        directory = path.removesuffix(".parquet")
        assert parts == {f"{directory}/{n}-of-{SHARDS}.parquet" for n in range(1, SHARDS + 1)}


def test_what_a_server_is_asked_takes_the_one_unit_of_it(planned):
    """So the limits of `llm_transport` hold for all shards and datasets together; the stand-in has no limit."""
    _, printed = planned
    asked = [block for block in re.split(r"\n\[", printed) if re.search("rule rationale_(notes|labs):", block)]
    assert len(asked) == 8 * SHARDS
    taken = {teacher: set() for teacher in ("chatgpt", "template")}
    for block in asked:
        units = re.findall(r"server_\d+=[01]", block)
        assert units
        taken["chatgpt" if "teacher=chatgpt" in block else "template"].add(
            tuple(unit for unit in units if unit.endswith("=1"))
        )
    assert taken["template"] == {()} and [len(units) for units in taken["chatgpt"]] == [1]
