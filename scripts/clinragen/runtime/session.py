"""One run of a step: inputs checked, outputs committed by renaming, a provenance record next to each."""

import errno
import hashlib
import json
import logging
import os
import shlex
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from clinragen.errors import TakenOver, UserError
from clinragen.provenance.digest import code_digest, code_files, runtime_digest
from clinragen.provenance.record import (
    SCHEMA,
    Output,
    StepRecord,
    describe,
    environment,
    git_state,
    hardware,
    identity,
    peak_memory_mb,
    write_record,
)
from clinragen.runtime.context import Context, hash_of
from clinragen.runtime.inputs import Inputs
from clinragen.runtime.outputs import Out, guarded

log = logging.getLogger("step")
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LONGEST_LIST = 100
USER_ERROR = 2


class Private(str):
    """An argument omitted from logs and records, such as an e-mail address."""


class Session:
    """A step with the arguments of its command line."""

    def __init__(self, rule: str, argv: list[str], arguments: dict[str, Any]) -> None:
        self.rule = rule
        self.argv = argv
        self.arguments = arguments
        self.outputs = [a for a in arguments.values() if isinstance(a, Out)]
        groups = (a if isinstance(a, list) else [a] for a in arguments.values())
        self.inputs = [path for group in groups for path in group if isinstance(path, Path)]

    def run(self, body: Callable[[Context], None], main: bool) -> None:
        """Run the body; exit with a status other than 0 if it fails.

        `main` is true in exactly one process of a distributed step; the others neither commit nor record.
        """
        try:
            if main:
                self._run(body)
            else:
                with guarded():
                    body(Context(lambda: "", ()))
        except TakenOver as reason:
            # Snakemake removes the outputs of a failed job, even if the other copy wrote them.
            if not all(out.final.exists() for out in self.outputs):
                log.error("%s", reason)
                raise SystemExit(USER_ERROR) from None
            log.warning("%s", reason)
        except UserError as error:
            log.error("%s", error)
            raise SystemExit(USER_ERROR) from None
        except OSError as error:
            if error.errno in NO_SPACE:
                # A failed write to an open file names no path.
                path = error.filename or " or ".join(str(out.final) for out in self.outputs)
                log.error("%s: %s; free up space and run again", path, os.strerror(error.errno))
                raise SystemExit(USER_ERROR) from None
            if error.errno is not None and error.filename is not None:
                log.error("%s: %s", error.filename, error.strerror)
            raise
        finally:
            for out in self.outputs:
                out.discard()

    def _run(self, body: Callable[[Context], None]) -> None:
        started, clock = datetime.now(UTC), time.monotonic()
        command = [*_launcher(), f"scripts/{self.rule}.py", *_without_private(self.argv, self.arguments)]
        log.info("%s: %s", self.rule, shlex.join(command))
        code, git = code_files(self.rule), git_state()
        digest, runtime = code_digest(self.rule), runtime_digest()
        inputs = Inputs(self.inputs, [out.final for out in self.outputs])
        inherited = (label for record in inputs.records.values() if record for label in record["stand_ins"])
        context = Context(
            lambda: hash_of(self.argv, digest, [file["sha256"] for file in inputs.described()]), inherited
        )
        for out in self.outputs:
            out.prepare()

        with guarded():
            body(context)

        described = inputs.described()
        self._refuse_changed_code(code)
        for out in self.outputs:
            if not out.path.exists():
                raise RuntimeError(f"{self.rule} did not write {out.final}")
        common: StepRecord = {
            "schema": SCHEMA,
            "rule": self.rule,
            "command": command,
            "code_digest": digest,
            "code": code,
            "runtime_digest": runtime,
            "git": git,
            "settings": _public_settings(self.arguments),
            "seed": self.arguments.get("seed"),
            "inputs": described,
            "facts": {name: _listed(values) for name, values in sorted(context.facts.values.items())},
            "stand_ins": sorted(context.stand_ins),
            "environment": environment(),
            "hardware": hardware(),
            "started": started.isoformat(timespec="seconds"),
            "wall_seconds": round(time.monotonic() - clock, 3),
            "peak_memory_mb": peak_memory_mb(),
        }
        if context.earlier_seconds:
            common["earlier_seconds"] = context.earlier_seconds
        for out in self.outputs:
            facts = _commit(out, common, context.rows_of(out))
            size = f"{facts['rows']} rows, " if "rows" in facts else ""
            log.info("wrote %s: %s%d bytes, sha256 %s", out.final, size, facts["bytes"], facts["sha256"][:12])
        for action in context.actions:
            action()
        log.info("%s: done in %.1f s", self.rule, time.monotonic() - clock)

    def _refuse_changed_code(self, before: dict[str, str]) -> None:
        """Raise UserError if code changed since the step began: some of it may have been imported afterwards."""
        now = code_files(self.rule)
        changed = sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))
        if changed:
            raise UserError(
                f"scripts/{', scripts/'.join(changed)} changed while {self.rule} was running, so its record could "
                "name code that did not run; nothing was written, checkpoints are kept. Run again"
            )


def _commit(out: Out, common: StepRecord, rows: list[dict[str, Any]]) -> Output:
    """Commit an output and write a record that matches it, even while another copy of the job does the same."""
    facts, mine = _described(out, out.path), identity(out.path)
    out.commit()
    while True:
        write_record(out.final, {"output": facts, **common, "rows": rows})
        try:
            present = identity(out.final)
            if present == mine:
                return facts
            # The other copy replaced this output, and may have written its record before this one.
            facts, mine = _described(out, out.final), present
        except FileNotFoundError:
            return facts  # the other copy is committing, and writes its record afterwards


def _described(out: Out, path: Path) -> Output:
    """Return the record's description of an output whose content is currently at `path`."""
    rows, file = _row_count(path), describe(path)
    facts: Output = {
        "path": out.final.as_posix(),
        "bytes": file["bytes"],
        "sha256": file["sha256"],
        "sharing": out.sharing,
    }
    if "files" in file:
        facts["files"] = file["files"]
    if rows is not None:
        facts["rows"] = rows
    return facts


def _launcher() -> list[str]:
    """Return the command that started this process, so that the recorded command can be run again."""
    if "RANK" not in os.environ:
        return ["python"]
    nodes, processes = (os.environ.get(name, "1") for name in ("GROUP_WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if nodes == "1":
        return ["torchrun", "--standalone", "--nproc-per-node", processes]
    start = ["srun", "--nodes", nodes, "--ntasks-per-node", "1", "torchrun", "--nnodes", nodes]
    # The rendezvous address does not affect the output, and machine names are not recorded.
    return [*start, "--nproc-per-node", processes, "--rdzv-backend", "c10d", "--rdzv-endpoint", "HOST:PORT"]


def _without_private(argv: list[str], arguments: dict[str, Any]) -> list[str]:
    for value in _private(arguments):
        argv = [word.replace(value, "<private>") for word in argv]
    return argv


def _private(arguments: dict[str, Any]) -> list[str]:
    """Return the private arguments and the values that settings classes list in their property `private`."""
    texts = [a for a in arguments.values() if isinstance(a, Private)]
    texts += [text for a in arguments.values() if isinstance(a, BaseModel) for text in getattr(a, "private", [])]
    return [text for text in texts if text]


def _public_settings(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return values and settings as plain data, with private texts replaced."""
    public = {
        name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        for name, value in arguments.items()
        if isinstance(value, (BaseModel, str, int, float, bool)) and not isinstance(value, Private)
    }
    text = json.dumps(public)
    for value in _private(arguments):
        text = text.replace(json.dumps(value), json.dumps("<private>"))
    settings: dict[str, Any] = json.loads(text)
    return settings


def _listed(values: Iterable[str]) -> list[str] | dict[str, Any]:
    ordered = sorted(values)
    if len(ordered) <= LONGEST_LIST:
        return ordered
    return {"number": len(ordered), "sha256": hashlib.sha256("\n".join(ordered).encode()).hexdigest()}


def _row_count(path: Path) -> int | None:
    """Return the number of rows of a Parquet or Arrow file, without reading its columns; None for any other."""
    if path.name.endswith(".parquet"):
        import pyarrow.parquet

        return int(pyarrow.parquet.read_metadata(path).num_rows)
    if path.name.endswith(".arrow"):
        import pyarrow as pa
        import pyarrow.ipc

        with pa.memory_map(str(path)) as file:
            return int(pa.ipc.open_file(file).read_all().num_rows)
    return None
