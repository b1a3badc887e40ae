"""A step: a function whose signature is its command line.

An argument annotated `Path` is an input file, `list[Path]` any number of them, `Out` or `SharedOut` an output,
a settings class a JSON object checked by that class, `int`, `float`, `str`, `bool` plain values, and `Private`
a text that neither log nor record tells.
`run` parses, logs, seeds, commits the outputs by renaming them and writes a record beside each.
"""

import argparse
import errno
import hashlib
import inspect
import json
import logging
import os
import random
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from clinragen.runtime import record
from clinragen.runtime.digest import code_digest, code_files, runtime_digest
from clinragen.runtime.errors import TakenOver, UserError
from clinragen.runtime.inputs import Hashing
from clinragen.runtime.outputs import Out, SharedOut

__all__ = [
    "Out",
    "Private",
    "SharedOut",
    "after_commit",
    "distributed",
    "fingerprint",
    "made_of",
    "main_process",
    "remember",
    "run",
    "stand_in",
    "stand_ins",
]

log = logging.getLogger("step")
# What libraries say on every run although all is well: logger and beginning of the message.
EXPECTED = {
    # Flan-T5 has an output layer of its own, and transformers keeps it.
    "transformers.modeling_utils": "The tied weights mapping and config",
    "transformers.trainer_utils": "mtime may not be reliable",
}
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LONGEST_LIST = 100
_stand_ins: set[str] = set()
_facts: dict[str, set[str]] = {}
_rows: list[dict[str, Any]] = []
_after_commit: list[Callable[[], None]] = []
_identity: dict[str, Any] = {}


class Private(str):
    """An argument that says who or where somebody is, such as a mail address."""


def stand_in(label: str) -> None:
    """Say that this step used a stand-in; every output that descends from it will carry the label."""
    _stand_ins.add(label)


def stand_ins() -> list[str]:
    """Labels of all stand-ins among this step's ancestors and its own, sorted."""
    return sorted(_stand_ins)


def remember(name: str, values: Iterable[str]) -> None:
    """Add to what the record tells beside what every step tells: hashes of requests, versions of prompts, models.

    The record lists up to a hundred values of a name, and of more their number and the hash of their sorted list.
    """
    _facts.setdefault(name, set()).update(values)


def made_of(where: dict[str, str], inputs: list[Path]) -> None:
    """Say that rows of the outputs with these values descend from these inputs, and from none that others name."""
    _rows.append({"where": where, "inputs": [path.as_posix() for path in inputs]})


def after_commit(action: Callable[[], None]) -> None:
    """Do something once the outputs stand under their final names, such as removing scratch files."""
    _after_commit.append(action)


def fingerprint() -> str:
    """Hash of what this step is about to do: its command line, its code and the content of its inputs.

    Scratch files that outlive a killed job may be used again only under the same fingerprint.
    """
    inputs = [record.describe(p)["sha256"] for p in _identity["inputs"]]
    facts = [_identity["argv"], code_digest(_identity["rule"]), inputs]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def distributed() -> bool:
    """Whether this process is one of several of the same step (torchrun sets RANK)."""
    return "RANK" in os.environ


def main_process() -> bool:
    """Whether this process commits the outputs: exactly one of a step does."""
    return os.environ.get("RANK", "0") == "0"


def run(function: Callable[..., None], argv: list[str] | None = None) -> None:
    """Run a step from the command line and leave the process with its exit status."""
    logging.basicConfig(
        # One process of a step tells its story; the others speak up only when something is wrong.
        level=logging.INFO if main_process() else logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
        force=True,
    )
    logging.captureWarnings(True)
    for chatty in ("httpx", "httpcore", "urllib3", "filelock", "matplotlib"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    for source, message in EXPECTED.items():
        logging.getLogger(source).addFilter(lambda line, message=message: not line.getMessage().startswith(message))
    # Bars of transformers, datasets and the model hub; in a log they are noise.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # Snakemake sets it to the threads of the rule. By hand it would be all cores, and sums of floating-point numbers
    # that are divided among threads in another way end in other digits.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parse(function, argv)
    outputs = [a for a in arguments.values() if isinstance(a, Out)]
    try:
        _run(function, argv, arguments, outputs)
    except TakenOver as reason:
        # Snakemake removes the outputs of a job that fails, even where the other copy made them.
        if not all(out.final.exists() for out in outputs):
            log.error("%s", reason)
            raise SystemExit(2) from None
        log.warning("%s", reason)
    except UserError as error:
        log.error("%s", error)
        raise SystemExit(2) from None
    except OSError as error:
        if error.errno in NO_ROOM:
            # A failed write to an open file tells no name.
            place = error.filename or " or ".join(str(out.final) for out in outputs)
            log.error("%s: %s; make room and run again", place, os.strerror(error.errno))
            raise SystemExit(2) from None
        if error.errno is not None and error.filename is not None:
            log.error("%s: %s", error.filename, error.strerror)
        raise
    finally:
        for out in outputs:
            out.discard()


def _run(function: Callable[..., None], argv: list[str], arguments: dict[str, Any], outputs: list[Out]) -> None:
    rule = function.__name__
    started, clock = datetime.now(UTC), time.monotonic()
    for kept in (_stand_ins, _facts, _rows, _after_commit):
        kept.clear()
    told = _without_private(argv, arguments)
    inputs = [p for a in arguments.values() for p in (a if isinstance(a, list) else [a]) if isinstance(p, Path)]
    _identity.update(rule=rule, argv=argv, inputs=inputs)
    log.info("%s: %s", rule, shlex.join([*_launcher(), f"scripts/{rule}.py", *told]))
    parents = {}
    for path in inputs:
        if not path.exists():
            raise UserError(f"{path}: no such input file")
        parent = record.read_record(path)
        _stand_ins.update(parent["stand_ins"] if parent else [])
        parents[path.as_posix()] = parent["rule"] if parent else None
    if "seed" in arguments:
        _seed(arguments["seed"])
    for out in outputs:
        out.prepare()
    hashing = Hashing(inputs) if main_process() else None

    function(**arguments)

    if hashing is None:
        return
    described_inputs = hashing.result()
    for out in outputs:
        if not out.path.exists():
            raise RuntimeError(f"{rule} ended without writing {out.final}")
    common = {
        "schema": record.SCHEMA,
        "rule": rule,
        "command": [*_launcher(), f"scripts/{rule}.py", *told],
        "code_digest": code_digest(rule),
        "code": code_files(rule),
        "runtime_digest": runtime_digest(),
        "git": record.git_state(),
        "settings": _told_settings(arguments),
        "seed": arguments.get("seed"),
        # A raw file or a resource is made by no rule.
        "inputs": [{**used, "made_by": parents[used["path"]]} for used in described_inputs],
        "facts": {name: _listed(values) for name, values in sorted(_facts.items())},
        "rows": _rows,
        "stand_ins": stand_ins(),
        "environment": record.environment(),
        "hardware": record.hardware(),
        "started": started.isoformat(timespec="seconds"),
        "wall_seconds": round(time.monotonic() - clock, 3),
        "peak_memory_mb": record.peak_memory_mb(),
    }
    for out in outputs:
        facts = _commit(out, common)
        size = f"{facts['rows']} rows, " if "rows" in facts else ""
        log.info("wrote %s: %s%d bytes, sha256 %s", out.final, size, facts["bytes"], facts["sha256"][:12])
    for action in _after_commit:
        action()
    log.info("%s: done in %.1f s", rule, time.monotonic() - clock)


def _commit(out: Out, common: dict[str, Any]) -> dict[str, Any]:
    """Commit an output and write its record, which fits even where another copy of the job does the same now."""
    facts, mine = _described(out, out.path), record.identity(out.path)
    out.commit()
    while True:
        record.write_record(out.final, {"output": facts, **common})
        try:
            there = record.identity(out.final)
            if there == mine:
                return facts
            # The other copy put its own in the place of this one, and may have written its record before this one.
            facts, mine = _described(out, out.final), there
        except FileNotFoundError:
            return facts  # the other copy is at it, and writes its record after


def _described(out: Out, path: Path) -> dict[str, Any]:
    """What the record says of an output that lies at `path` now."""
    rows = _row_count(path)
    facts = record.describe(path) | {"path": out.final.as_posix(), "sharing": out.sharing}
    return facts | ({} if rows is None else {"rows": rows})


def _launcher() -> list[str]:
    """What started this process, so that the command in log and record can be run again."""
    if not distributed():
        return ["python"]
    nodes, processes = (os.environ.get(name, "1") for name in ("GROUP_WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if nodes == "1":
        return ["torchrun", "--standalone", "--nproc-per-node", processes]
    start = ["srun", "--nodes", nodes, "--ntasks-per-node", "1", "torchrun", "--nnodes", nodes]
    # Where they meet is of no meaning for the output, and the names of machines are not told.
    return [*start, "--nproc-per-node", processes, "--rdzv-backend", "c10d", "--rdzv-endpoint", "HOST:PORT"]


def _without_private(argv: list[str], arguments: dict[str, Any]) -> list[str]:
    for value in _private(arguments):
        argv = [word.replace(value, "<private>") for word in argv]
    return argv


def _private(arguments: dict[str, Any]) -> list[str]:
    """Texts that are not to be told: private arguments, and what a settings class calls so."""
    found = [a for a in arguments.values() if isinstance(a, Private)]
    found += [text for a in arguments.values() if isinstance(a, BaseModel) for text in getattr(a, "private", [])]
    return [text for text in found if text]


def _told_settings(arguments: dict[str, Any]) -> dict[str, Any]:
    """Values and sections of settings as data, without what is private."""
    kept = {
        name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        for name, value in arguments.items()
        if isinstance(value, (BaseModel, str, int, float, bool)) and not isinstance(value, Private)
    }
    text = json.dumps(kept)
    for value in _private(arguments):
        text = text.replace(json.dumps(value), json.dumps("<private>"))
    return json.loads(text)


def _listed(values: set[str]) -> list[str] | dict[str, Any]:
    ordered = sorted(values)
    if len(ordered) <= LONGEST_LIST:
        return ordered
    return {"number": len(ordered), "sha256": hashlib.sha256("\n".join(ordered).encode()).hexdigest()}


def _parse(function: Callable[..., None], argv: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog=f"{function.__name__}.py", description=inspect.getdoc(function), allow_abbrev=False
    )
    kinds = inspect.get_annotations(function, eval_str=True)
    kinds.pop("return", None)
    for name, kind in kinds.items():
        flag = "--" + name.replace("_", "-")
        if kind == list[Path]:
            parser.add_argument(flag, dest=name, nargs="*", type=Path, required=True)
        elif kind is bool:
            parser.add_argument(flag, dest=name, type=_boolean, required=True)
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            parser.add_argument(flag, dest=name, type=_settings(kind), required=True, metavar="JSON")
        else:
            parser.add_argument(flag, dest=name, type=kind, required=True)
    return vars(parser.parse_args(argv))


def _settings(kind: type[BaseModel]) -> Callable[[str], BaseModel]:
    def read(text: str) -> BaseModel:
        try:
            return kind.model_validate_json(text)
        except ValidationError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _seed(seed: int) -> None:
    import numpy

    random.seed(seed)
    numpy.random.seed(seed)


def _row_count(path: Path) -> int | None:
    """Rows of a Parquet or Arrow file, told by its name, without reading its columns."""
    if path.name.endswith(".parquet"):
        import pyarrow.parquet

        return pyarrow.parquet.read_metadata(path).num_rows
    if path.name.endswith(".arrow"):
        import pyarrow as pa
        import pyarrow.ipc

        with pa.memory_map(str(path)) as file:
            return pa.ipc.open_file(file).read_all().num_rows
    return None
