"""Decoded batches on disk, so that a killed job continues after its last batch.

`<directory>/<fingerprint>/<hash of its samples>.json` is one batch. The name appears once the file is complete, and all
copies of a job write the same bytes, so that two copies at a time do no harm.
"""

import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from clinragen.errors import TakenOver
from clinragen.model.decoding import Output

log = logging.getLogger("predict")


class Parts:
    """The batches of one prediction; `fingerprint` is the hash of everything that decides its outputs."""

    def __init__(self, directory: Path, fingerprint: str) -> None:
        self.root, self.directory = directory, directory / fingerprint
        self.kept = 0
        self.directory.mkdir(parents=True, exist_ok=True)

    def __call__(self, batch: list[int], make: Callable[[], list[Output]]) -> list[Output]:
        """Return the outputs of a batch, from disk if they are there, else from `make`, which are then kept."""
        path = self.directory / f"{hashlib.sha256(json.dumps(batch).encode()).hexdigest()[:16]}.json"
        outputs = _read(path)
        if outputs is None:
            outputs = make()
            self._write(path, outputs)
        else:
            self.kept += 1
            if self.kept == 1:
                log.info("continuing with the batches in %s", self.directory)
        return outputs

    def _write(self, path: Path, outputs: list[Output]) -> None:
        whole = path.with_name(f".tmp-{secrets.token_hex(3)}-{path.name}")
        try:
            with whole.open("w", encoding="utf-8") as file:
                json.dump([asdict(output) for output in outputs], file)
                file.flush()
                os.fsync(file.fileno())
            whole.replace(path)
        except FileNotFoundError:
            raise TakenOver(f"{self.directory}: another copy of this job has finished and removed it") from None

    def remove(self) -> None:
        """Remove all batches, also those of other settings; call it once the predictions are stored elsewhere."""
        shutil.rmtree(self.root, ignore_errors=True)


def _read(path: Path) -> list[Output] | None:
    """Return the outputs in a file; None if it is missing or incomplete."""
    try:
        return [Output(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        log.warning("decoding an incomplete batch again: %s", path)
        return None
