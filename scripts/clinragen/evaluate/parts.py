"""Outputs of batches that are decoded already, kept until all are: a job that was killed continues after the last.

`<place>/<fingerprint>/<hash of its samples>.json` is one batch. It gets its name once it is whole, and every copy of a
job writes the same one, so that two copies at a time do no harm.
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
    """The batches of one prediction; `fingerprint` is the hash of all that decides its outputs."""

    def __init__(self, place: Path, fingerprint: str) -> None:
        self.place, self.folder = place, place / fingerprint
        self.kept = 0
        self.folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, batch: list[int], make: Callable[[], list[Output]]) -> list[Output]:
        """The outputs of a batch: kept ones, or those that `make` returns, which are kept from then on."""
        path = self.folder / f"{hashlib.sha256(json.dumps(batch).encode()).hexdigest()[:16]}.json"
        outputs = _read(path)
        if outputs is None:
            outputs = make()
            self._write(path, outputs)
        else:
            self.kept += 1
            if self.kept == 1:
                log.info("continuing with the batches in %s", self.folder)
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
            raise TakenOver(f"{self.folder}: another copy of this job has finished and removed it") from None

    def remove(self) -> None:
        """Remove the batches, also those of other settings; to be called once the predictions are safe elsewhere."""
        shutil.rmtree(self.place, ignore_errors=True)


def _read(path: Path) -> list[Output] | None:
    """The outputs in a file; None if it is missing or torn."""
    try:
        return [Output(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        log.warning("incomplete batch decoded again: %s", path)
        return None
