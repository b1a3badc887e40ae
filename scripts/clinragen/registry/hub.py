"""Language models, brought from the hub or a local directory to one of our own, so that jobs need no network."""

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
# Weights as safetensors only: pickles of others are not opened.
WANTED = ["*.json", "*.jinja", "*.safetensors", "*.model", "*.txt"]
NOT_WANTED = ["consolidated*", "*/*"]  # the same weights in another layout; subdirectories for other programs


def fetch_model(source: str, revision: str, local: Sequence[Path], folder: Path, place: str, target: str) -> Facts:
    """Fill a new directory with model and tokenizer.

    `local` are the files of a model on this machine; without any the model is fetched from the hub. `source.json` names
    source, revision, commit and content (`snapshot`). `place` is the key of the configuration that messages name,
    `target` the target of the workflow that fetches. UserError names what is not available.
    """
    facts = {"source": source, "revision": revision}
    files = list(local)
    if not files:
        snapshot = _download(source, revision, place, target)
        facts["commit"] = snapshot.name
        files = sorted(snapshot.iterdir())
    files = [p for p in files if any(fnmatch(p.name, w) for w in WANTED) and not fnmatch(p.name, NOT_WANTED[0])]
    files = [p for p in files if p.name != FILE]  # of a directory that we have filled before
    if not any(p.suffix == ".safetensors" for p in files):
        raise UserError(f"{place}: {source} {NO_SAFETENSORS}")
    if not any(p.name == "config.json" for p in files):
        raise UserError(f"{place}: {source} has no config.json; name another revision or directory")
    folder.mkdir()
    for path in files:
        if local:
            shutil.copyfile(path, folder / path.name)
        else:
            _link(path, folder / path.name)
    write_source(folder, facts)
    log.info("%s: %d files", source, len(files))
    return Facts({"models": {f"{source} at {facts.get('commit', revision)}"}})


def _link(path: Path, target: Path) -> None:
    """A second name for a file of the hub's cache, or a copy on another disk.

    Weights of 15 GB need not lie on a disk twice, and the cache never changes a file: it is named by its content.
    """
    with contextlib.suppress(OSError):
        target.hardlink_to(path.resolve())
        return
    shutil.copyfile(path, target)


def _download(source: str, revision: str, place: str, target: str) -> Path:
    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=WANTED, ignore_patterns=NOT_WANTED))
    except GatedRepoError:
        raise UserError(f"{place}: {source} {GATED}") from None
    except (HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError, OSError) as error:
        raise UserError(
            f"{place}: {source} at {revision} cannot be fetched: {error}; run "
            f"`snakemake {target} --cores 1 --configfile config/local.yaml` on a machine with network access, or name "
            "a local directory with the model instead"
        ) from None
