"""In-progress checkpoints: ownership, which one to resume from, and whether they belong to this run.

After a lost node or a killed Snakemake two copies of a job may run at once. Each works in its own directory,
`<place>/<host>-<process>-<random>/checkpoint-N`. The newer copy takes over by renaming the directory of the older one,
one step that needs no lock on any file system: from then on nothing that the older one writes can reach it.
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
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from clinragen.errors import TakenOver, UserError
from clinragen.processes import distributed, main_process

log = logging.getLogger("checkpoints")
FINGERPRINT = "fingerprint"
STATE = "trainer_state.json"
TRIES = 100


def take_over(place: Path, fingerprint: str) -> Path:
    """A folder inside `place` for this copy alone, with the checkpoints that earlier copies of the same run left.

    Those of a run with other settings, code or inputs are removed.
    """
    own = place / f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    for _ in range(TRIES):
        place.mkdir(parents=True, exist_ok=True)
        # Seen before this copy moves in: what is not among them may be a copy that is newer still.
        others = [p for p in place.iterdir() if p != own]
        try:
            _move_in(own, others, fingerprint)
            break
        except FileNotFoundError:  # another copy was faster: it is there to be taken over now
            continue
    else:
        raise UserError(f"{place}: several copies of this job keep taking over from each other; run only one")
    for other in others:
        if _stamp(other) not in (fingerprint, None):
            log.warning("checkpoints of another run removed: %s", other)
        _remove(other)
    with suppress(FileNotFoundError):  # a newer copy has taken over already, which the next look at the owner notices
        for checkpoint in _numbered(own):
            _tell_new_place(checkpoint)
    return own


def is_owner(own: Path) -> bool:
    """Whether no newer copy has taken over the folder."""
    # A network file system may answer from memory for a minute, unless this host has just changed the folder above.
    probe = _temporary(own)
    with suppress(FileNotFoundError):  # all is gone, or an older copy took it for rubbish
        probe.mkdir()
        probe.rmdir()
    return (own / FINGERPRINT).is_file()


def of_main_process(make: Callable[[], Any]) -> Any:
    """What the main process makes, in every process: they may see a network file system at different times."""
    made = [make() if main_process() else None]
    if distributed():
        torch.distributed.broadcast_object_list(made)
    return made[0]


def still_owner(own: Path) -> None:
    """Raise TakenOver, in all processes, if a newer copy has taken over the folder."""
    if not of_main_process(lambda: is_owner(own)):
        raise TakenOver(str(own))


def leave(own: Path) -> None:
    """Remove the folder of this copy and what dead ones left behind, but nothing that a newer copy has taken over."""
    with suppress(OSError):  # gone with the newer copy, or not empty, for that is running
        _remove(own)
        for path in own.parent.iterdir():
            if _stamp(path) is None:
                _remove(path)
        own.parent.rmdir()


def resume_point(own: Path, processes: int) -> tuple[Path | None, int, list[dict]]:
    """The newest checkpoint that all processes can read, steps done and losses up to it; torn ones are removed."""
    for path in _numbered(own):
        if _is_whole(path, processes):
            log.info("resuming from %s", path)
            return path, *_history(path)
        # Not only passed over: an older copy may still have one of its files open.
        log.warning("incomplete checkpoint removed: %s", path)
        _remove(path)
    return None, 0, []


def _move_in(own: Path, others: list[Path], fingerprint: str) -> None:
    """Give the folder that got furthest the new name, or make one; FileNotFoundError where another copy came first."""
    left = [p for p in others if _stamp(p) == fingerprint]
    if left:
        max(left, key=lambda p: max(map(_step, _numbered(p)), default=0)).rename(own)
    else:
        fresh = _temporary(own)
        fresh.mkdir()
        (fresh / FINGERPRINT).write_text(fingerprint, encoding="utf-8")
        fresh.rename(own)


def _temporary(path: Path) -> Path:
    return path.with_name(f".tmp-{secrets.token_hex(3)}")


def _stamp(folder: Path) -> str | None:
    """Fingerprint of the run that a folder is of; None where there is none, as in what an older copy wrote too late."""
    # Any other error of the file system is not an answer: checkpoints of days are not thrown away for it.
    with suppress(FileNotFoundError, NotADirectoryError):
        return (folder / FINGERPRINT).read_text(encoding="utf-8")
    return None


def _numbered(folder: Path) -> list[Path]:
    """Checkpoints, the newest first."""
    numbered = [p for p in folder.glob("checkpoint-*") if p.name.removeprefix("checkpoint-").isdigit()]
    return sorted(numbered, key=_step, reverse=True)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))


def _tell_new_place(checkpoint: Path) -> None:
    """Correct where the Trainer noted its best checkpoint to be, by its full path."""
    with suppress(OSError, ValueError, KeyError, TypeError):  # torn
        state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
        if state["best_model_checkpoint"] is not None:
            state["best_model_checkpoint"] = str(checkpoint.with_name(Path(state["best_model_checkpoint"]).name))
        corrected = checkpoint / f".tmp-{STATE}"
        corrected.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        corrected.replace(checkpoint / STATE)


def _remove(path: Path) -> None:
    """Remove a folder that its owner may still write to: rename it first, so that the owner cannot."""
    aside = _temporary(path)
    with suppress(FileNotFoundError):
        path.rename(aside)
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink()


def _history(checkpoint: Path) -> tuple[int, list[dict]]:
    state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    return state["global_step"], state["log_history"]


def _is_whole(path: Path, processes: int) -> bool:
    # Every process writes its random state, with DeepSpeed its part of the optimizer too; none waits for the others.
    random = ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]
    parts = len(list(path.glob("global_step*/*_optim_states.pt")))
    if parts not in (0, processes) or not all((path / name).is_file() for name in random):
        return False
    try:
        _history(path)
        weights = list(path.glob("*.safetensors"))
        for file in weights:
            with safe_open(file, "pt"):
                pass
        # Optimizer, schedule (.pt) and random states (.pth), which are zip files: their end says what they hold.
        states = [*path.rglob("*.pt"), *path.glob("rng_state*.pth")]
        return bool(weights and states) and all(zipfile.is_zipfile(p) for p in states)
    except (FileNotFoundError, EOFError, ValueError, KeyError, TypeError, SafetensorError):
        return False
