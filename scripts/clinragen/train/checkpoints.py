"""In-progress checkpoints: ownership, which one to resume from, and whether they belong to this run.

After a lost node or a killed Snakemake two copies of a job may run at once. Each works in its own directory,
`<root>/<host>-<process>-<random>/checkpoint-N`. The newer copy takes over by renaming the directory of the older one,
which is atomic and needs no lock on any file system: afterwards nothing that the older one writes can reach it.
"""

import json
import logging
import os
import secrets
import shutil
import socket
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from clinragen.errors import TakenOver, UserError
from clinragen.processes import distributed, main_process
from clinragen.train.callbacks import SECONDS, Clock

log = logging.getLogger("checkpoints")
FINGERPRINT = "fingerprint"
STATE = "trainer_state.json"
TRIES = 100


@dataclass(frozen=True)
class Progress:
    """How far earlier attempts came."""

    checkpoint: Path | None = None
    """The checkpoint to resume from; None to start from the beginning."""
    steps: int = 0
    history: list[dict] = field(default_factory=list)
    """The log of losses."""
    seconds: float = 0.0
    """Seconds until the checkpoint, without what came after it."""


def take_over(root: Path, fingerprint: str) -> Path:
    """Return a directory inside `root` for this copy alone, with the checkpoints of earlier copies of the same run.

    Checkpoints of runs with other settings, code or inputs are removed.
    """
    own = root / f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    for _ in range(TRIES):
        root.mkdir(parents=True, exist_ok=True)
        # Listed before this copy moves in: a directory that appears later may belong to an even newer copy.
        others = [p for p in root.iterdir() if p != own]
        try:
            _move_in(own, others, fingerprint)
            break
        except FileNotFoundError:  # another copy was faster, and can be taken over now
            continue
    else:
        raise UserError(f"{root}: several copies of this job keep taking over from each other; run only one")
    for other in others:
        if _stamp(other) not in (fingerprint, None):
            log.warning("checkpoints of another run removed: %s", other)
        _remove(other)
    with suppress(FileNotFoundError):  # a newer copy has taken over already, as the next check of the owner shows
        for checkpoint in _numbered(own):
            _correct_path_of_best(checkpoint)
    return own


def is_owner(own: Path) -> bool:
    """Return whether no newer copy has taken over the directory."""
    # A network file system may cache for a minute, unless this host has just changed the parent directory.
    probe = _temporary(own)
    with suppress(FileNotFoundError):  # everything is gone, or an older copy removed the probe as unknown
        probe.mkdir()
        probe.rmdir()
    return (own / FINGERPRINT).is_file()


def of_main_process(make: Callable[[], Any]) -> Any:
    """Return the main process's value in every process: they may see a network file system at different times."""
    values = [make() if main_process() else None]
    if distributed():
        torch.distributed.broadcast_object_list(values)
    return values[0]


def still_owner(own: Path) -> None:
    """Raise TakenOver, in all processes, if a newer copy has taken over the directory."""
    if not of_main_process(lambda: is_owner(own)):
        raise TakenOver(str(own))


def leave(own: Path) -> None:
    """Remove the directory of this copy and the rest of dead ones, but nothing that a newer copy has taken over."""
    with suppress(OSError):  # gone with the newer copy, or not empty, because that is running
        _remove(own)
        for path in own.parent.iterdir():
            if _stamp(path) is None:
                _remove(path)
        own.parent.rmdir()


def resume_point(own: Path, processes: int) -> Progress:
    """Return the newest checkpoint that all processes can read; incomplete ones are removed."""
    for path in _numbered(own):
        if _is_whole(path, processes):
            log.info("resuming from %s", path)
            return _progress(path)
        # Removed rather than skipped, because an older copy may still have one of its files open.
        log.warning("incomplete checkpoint removed: %s", path)
        _remove(path)
    return Progress()


def _move_in(own: Path, others: list[Path], fingerprint: str) -> None:
    """Rename the most advanced directory of this run, or make one; FileNotFoundError if another copy was faster."""
    same_run = [p for p in others if _stamp(p) == fingerprint]
    if same_run:
        max(same_run, key=lambda p: max(map(_step, _numbered(p)), default=0)).rename(own)
    else:
        fresh = _temporary(own)
        fresh.mkdir()
        (fresh / FINGERPRINT).write_text(fingerprint, encoding="utf-8")
        fresh.rename(own)


def _temporary(path: Path) -> Path:
    return path.with_name(f".tmp-{secrets.token_hex(3)}")


def _stamp(directory: Path) -> str | None:
    """Return the fingerprint of a directory's run; None without one, as in one that an older copy wrote too late."""
    # Other file system errors are raised: they are no reason to discard days of checkpoints.
    with suppress(FileNotFoundError, NotADirectoryError):
        return (directory / FINGERPRINT).read_text(encoding="utf-8")
    return None


def _numbered(directory: Path) -> list[Path]:
    """Return the checkpoints, newest first."""
    numbered = [p for p in directory.glob("checkpoint-*") if p.name.removeprefix("checkpoint-").isdigit()]
    return sorted(numbered, key=_step, reverse=True)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))


def _correct_path_of_best(checkpoint: Path) -> None:
    """Correct the full path at which the Trainer recorded its best checkpoint."""
    with suppress(OSError, ValueError, KeyError, TypeError):  # incomplete
        state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
        if state["best_model_checkpoint"] is not None:
            state["best_model_checkpoint"] = str(checkpoint.with_name(Path(state["best_model_checkpoint"]).name))
        corrected = checkpoint / f".tmp-{STATE}"
        corrected.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        corrected.replace(checkpoint / STATE)


def _remove(path: Path) -> None:
    """Remove a directory whose owner may still write to it: renamed first, it is out of the owner's reach."""
    aside = _temporary(path)
    with suppress(FileNotFoundError):
        path.rename(aside)
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink()


def _progress(checkpoint: Path) -> Progress:
    state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    clock = state["stateful_callbacks"][Clock.__name__]["attributes"]
    return Progress(checkpoint, state["global_step"], state["log_history"], clock[SECONDS])


def _is_whole(path: Path, processes: int) -> bool:
    # Every process writes its random state, with DeepSpeed its part of the optimizer too, without waiting for others.
    random = ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]
    parts = len(list(path.glob("global_step*/*_optim_states.pt")))
    if parts not in (0, processes) or not all((path / name).is_file() for name in random):
        return False
    try:
        _progress(path)
        weights = list(path.glob("*.safetensors"))
        for file in weights:
            with safe_open(file, "pt"):
                pass
        # Optimizer, schedule (.pt) and random states (.pth) are zip files, whose directory is at their end.
        states = [*path.rglob("*.pt"), *path.glob("rng_state*.pth")]
        return bool(weights and states) and all(zipfile.is_zipfile(p) for p in states)
    except (FileNotFoundError, EOFError, ValueError, KeyError, TypeError, SafetensorError):
        return False
