"""Fetch language models from the hub or a local directory, so that jobs need no network."""

import contextlib
import logging
import shutil
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from clinragen.errors import UserError
from clinragen.registry.language_models import GATED, NO_SAFETENSORS
from clinragen.registry.snapshot import FILE, write_source
from clinragen.runtime.context import Facts

log = logging.getLogger("hub")
# Weights only as safetensors: pickles are not opened.
FETCHED = ["*.json", "*.jinja", "*.safetensors", "*.model", "*.txt"]
IGNORED = ["consolidated*", "*/*"]  # the same weights in another layout; subdirectories for other programs


def fetch_model(source: str, revision: str, local: Sequence[Path], directory: Path, key: str, target: str) -> Facts:
    """Fill a new directory with model and tokenizer, and write `source.json` (`snapshot`).

    `local` are the files of a model on this machine; without any the model is fetched from the hub. `key` is the
    configuration key in messages, `target` the workflow target that fetches. UserError if the model is not available.
    """
    facts = {"source": source, "revision": revision}
    files = list(local)
    if not files:
        snapshot = _download(source, revision, key, target)
        facts["commit"] = snapshot.name
        files = sorted(snapshot.iterdir())
    files = [p for p in files if any(fnmatch(p.name, w) for w in FETCHED) and not fnmatch(p.name, IGNORED[0])]
    files = [p for p in files if p.name != FILE]  # from a directory filled by this function
    if not any(p.suffix == ".safetensors" for p in files):
        raise UserError(f"{key}: {source} {NO_SAFETENSORS}")
    if not any(p.name == "config.json" for p in files):
        raise UserError(f"{key}: {source} has no config.json; name another revision or directory")
    directory.mkdir()
    for path in files:
        if local:
            shutil.copyfile(path, directory / path.name)
        else:
            _link(path, directory / path.name)
    write_source(directory, facts)
    log.info("%s: %d files", source, len(files))
    return Facts({"models": {f"{source} at {facts.get('commit', revision)}"}})


def _link(path: Path, target: Path) -> None:
    """Create a hard link to a file of the hub's cache, or a copy if it is on another disk.

    A link saves 15 GB of disk for a large model and is safe: files in the cache are named by their content.
    """
    with contextlib.suppress(OSError):
        target.hardlink_to(path.resolve())
        return
    shutil.copyfile(path, target)


def _download(source: str, revision: str, key: str, target: str) -> Path:
    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=FETCHED, ignore_patterns=IGNORED))
    except GatedRepoError:
        raise UserError(f"{key}: {source} {GATED}") from None
    except (HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError, OSError) as error:
        raise UserError(
            f"{key}: {source} at {revision} cannot be fetched: {error}; run "
            f"`snakemake {target} --cores 1 --configfile config/local.yaml` on a machine with network access, or name "
            "a local directory with the model instead"
        ) from None
