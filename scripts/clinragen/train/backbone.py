"""Language models, brought to a folder of our own so that jobs need no network."""

import json
import logging
import shutil
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from clinragen.config.student import Backbone
from clinragen.errors import UserError
from clinragen.runtime.context import Facts

log = logging.getLogger("backbone")
# Weights as safetensors only: pickles of others are not opened.
WANTED = ["*.json", "*.safetensors", "*.model", "*.txt"]


def fetch_backbone(settings: Backbone, local: list[Path], folder: Path) -> Facts:
    """Fill a new folder with model and tokenizer; UserError names what is not available.

    `local` are the files of a model on this machine; without any the model is fetched from the hub, and
    `source.json` records its commit.
    """
    facts = {"source": settings.source, "revision": settings.revision}
    if not local:
        snapshot = _download(settings)
        facts["commit"] = snapshot.name
        local = sorted(snapshot.iterdir())
    files = [p for p in local if any(p.match(pattern) for pattern in WANTED)]
    if not any(p.suffix == ".safetensors" for p in files) or not any(p.name == "config.json" for p in files):
        raise UserError(f"backbones: {settings.source}: config.json or weights in safetensors format are missing")
    folder.mkdir()
    for path in files:
        shutil.copyfile(path, folder / path.name)
    (folder / "source.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
    log.info("%s: %d files", settings.source, len(files))
    return Facts({"models": {f"{settings.source} at {facts.get('commit', settings.revision)}"}})


def _download(settings: Backbone) -> Path:
    try:
        return Path(snapshot_download(settings.source, revision=settings.revision, allow_patterns=WANTED))
    except (HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError, OSError) as error:
        raise UserError(
            f"backbones: {settings.source} at {settings.revision} cannot be fetched: {error}; run "
            "`snakemake backbones --cores 1 --configfile config/local.yaml` on a machine with network access, or set "
            "`source` to a local directory with the model"
        ) from None
