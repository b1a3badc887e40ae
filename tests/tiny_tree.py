"""A results tree of a few files with records as steps write them, for tests of the audit."""

from pathlib import Path

from clinragen.provenance.digest import code_digest
from clinragen.provenance.record import SCHEMA, describe, read_record, record_hash, write_record
from clinragen.schemas.extract import ATTRITION

STAYS, MODEL, TABLE = "results/x/stays", "results/x/model", "results/x/tables/table.csv"

# Facts of a record that the tests do not vary.
COMMON = {
    "schema": SCHEMA,
    "runtime_digest": "c0re",
    "git": {"commit": "abc", "dirty": True},
    "settings": {"width": 3},
    "seed": None,
    "facts": {},
    "rows": [],
    "stand_ins": [],
    "environment": {"python": "3.11.15", "packages": {"numpy": "2.4.6"}},
    "hardware": {"cpus": 2},
    "started": "2026-01-01T00:00:00+00:00",
    "wall_seconds": 1.5,
    "peak_memory_mb": 100,
}


def write(path: str, text: str = "") -> Path:
    """Write a file that no rule makes; its text is its name where none is given."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text or path, encoding="utf-8")
    return file


def make(path: str, rule: str, inputs: list[str], text: str = "", **facts: object) -> None:
    """Write an output, and its record."""
    write(path, text or f"{path} of {inputs} {facts}")
    made(path, rule, inputs, **facts)


def made(path: str, rule: str, inputs: list[str], sharing: str = "restricted", **facts: object) -> None:
    """Write the record of an output that is there, as a step does."""
    used = [
        describe(Path(i))
        | {"made_by": (read_record(Path(i)) or {"rule": None})["rule"], "record": record_hash(Path(i))}
        for i in inputs
    ]
    command = ["python", f"scripts/{rule}.py", "--inputs", *inputs, "--out", path]
    output = describe(Path(path)) | {"sharing": sharing}
    own = {
        "rule": rule,
        "code_digest": code_digest(rule),
        "code": {},
        "command": command,
        "output": output,
        "inputs": used,
    }
    write_record(Path(path), COMMON | own | facts)


def attrition(*steps: str) -> str:
    """Return a CSV table that the workflow declares as shareable, with these texts in its column `step`."""
    rows = [f'a,{n},"{step}",1,1,1,1' for n, step in enumerate(steps)]
    return "\n".join([",".join(ATTRITION.schema.names), *rows]) + "\n"


def build() -> None:
    """raw/{a,b}.csv -> stays -> model (a directory) -> tables/table.csv <- resources/names.csv, all below results/x."""
    for path in ("raw/a.csv", "raw/b.csv", "resources/names.csv"):
        write(path)
    make(STAYS, "extract_stays", ["raw/a.csv", "raw/b.csv"])
    write(f"{MODEL}/weights")
    made(MODEL, "train_phase1", [STAYS])
    make(TABLE, "evaluate_scores", [MODEL, "resources/names.csv"], "a,b\n1,2\n",
         stand_ins=["tiny model"], sharing="shareable")  # fmt: skip
