"""Checkpoints of a run under way: which one to resume from, and whether they belong to this run."""

import json
import logging
import shutil
import zipfile
from pathlib import Path

from safetensors import SafetensorError, safe_open

log = logging.getLogger("checkpoints")
FINGERPRINT = "fingerprint"
STATE = "trainer_state.json"


def open_folder(folder: Path, fingerprint: str) -> None:
    """Make the folder ready; checkpoints of a run with other settings, code or inputs are removed."""
    stamp = folder / FINGERPRINT
    if folder.exists() and (not stamp.is_file() or stamp.read_text(encoding="utf-8") != fingerprint):
        log.warning("%s holds checkpoints of another run: removed", folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stamp.write_text(fingerprint, encoding="utf-8")


def last_whole(folder: Path) -> Path | None:
    """The newest checkpoint that can be read; a torn one (killed while writing) is passed over."""
    numbered = [p for p in folder.glob("checkpoint-*") if p.name.removeprefix("checkpoint-").isdigit()]
    for path in sorted(numbered, key=lambda p: int(p.name.removeprefix("checkpoint-")), reverse=True):
        if _is_whole(path):
            log.info("resuming from %s", path)
            return path
        log.warning("%s is not whole: passed over", path)
    return None


def history_of(checkpoint: Path) -> tuple[int, list[dict]]:
    """Steps done and losses logged up to a checkpoint."""
    state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    return state["global_step"], state["log_history"]


def _is_whole(path: Path) -> bool:
    try:
        history_of(path)
        weights = list(path.glob("*.safetensors"))
        for file in weights:
            with safe_open(file, "pt"):
                pass
        # Optimizer, schedule (.pt) and random states (.pth), which are zip files: their end says what they hold.
        states = [*path.rglob("*.pt"), *path.glob("rng_state*.pth")]
        return bool(weights and states) and all(zipfile.is_zipfile(p) for p in states)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return False
