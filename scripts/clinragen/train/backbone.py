"""Language models, brought to a folder of our own so that jobs need no network."""

import json
import logging
import shutil
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from clinragen.config.student import Backbone
from clinragen.kernel.errors import UserError

log = logging.getLogger("backbone")
# Weights as safetensors only: pickles of others are not opened.
WANTED = ["*.json", "*.safetensors", "*.model", "*.txt"]


def fetch_backbone(settings: Backbone, folder: Path) -> None:
    """Fill a new folder with model and tokenizer; UserError names what could not be had.

    The commit of the hub that was fetched is written to `source.json`.
    """
    source = Path(settings.source)
    if not source.is_dir():
        try:
            source = Path(snapshot_download(settings.source, revision=settings.revision, allow_patterns=WANTED))
        except (HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError, OSError) as error:
            raise UserError(
                f"backbones: {settings.source} at {settings.revision} can not be fetched: {error}; "
                "run `snakemake train_backbone` where the network is, or set `source` to a local folder"
            ) from None
    files = sorted({p for pattern in WANTED for p in source.glob(pattern)})
    if not any(p.suffix == ".safetensors" for p in files) or not (source / "config.json").is_file():
        raise UserError(f"backbones: {source} lacks config.json or weights in safetensors format")
    folder.mkdir()
    for path in files:
        shutil.copyfile(path, folder / path.name)
    facts = {"source": settings.source, "revision": settings.revision, "commit": source.resolve().name}
    (folder / "source.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
    log.info("%s: %d files from %s", settings.source, len(files), source)
