"""Fetching language models from the hub or a local directory."""

import json
from pathlib import Path

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from clinragen.errors import UserError
from clinragen.registry import hub
from clinragen.registry.snapshot import read_source

FILES = ("config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja")
OTHERS = ("pytorch_model.bin", "README.md", "consolidated.safetensors")


def model(directory: Path, *names: str) -> Path:
    directory.mkdir(parents=True)
    for name in names:
        (directory / name).write_text(f"content of {name}", encoding="utf-8")
    return directory


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_local_model_is_copied_without_pickles_and_second_copies(tmp_path):
    local = model(tmp_path / "local", *FILES, *OTHERS)
    facts = hub.fetch_model("local", "main", sorted(local.iterdir()), tmp_path / "new", "llms", "weights")
    assert names(tmp_path / "new") == sorted([*FILES, "source.json"])
    assert facts.values["models"] == {"local at main"}
    (local / "model.safetensors").write_text("changed", encoding="utf-8")
    assert (tmp_path / "new/model.safetensors").read_text() == "content of model.safetensors"


@pytest.mark.parametrize("same_disk", [True, False])
def test_a_snapshot_of_the_hub_is_stored_once_if_possible(same_disk, tmp_path, monkeypatch):
    """The cache contains links to files that are named by their content."""
    blobs = model(tmp_path / "blobs", *FILES)
    snapshot = tmp_path / "snapshots/abc123"
    snapshot.mkdir(parents=True)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(path)
    asked = {}

    def download(source, **options):
        asked.update(options, source=source)
        return str(snapshot)

    monkeypatch.setattr(hub, "snapshot_download", download)
    if not same_disk:
        monkeypatch.setattr(Path, "hardlink_to", lambda *_: (_ for _ in ()).throw(OSError("another disk")))
    hub.fetch_model("a/b", "v1", [], tmp_path / "new", "llms", "weights")
    fetched = tmp_path / "new/model.safetensors"
    assert not fetched.is_symlink() and fetched.samefile(blobs / "model.safetensors") is same_disk
    assert (asked["source"], asked["revision"]) == ("a/b", "v1") and "consolidated*" in asked["ignore_patterns"]
    source = json.loads((tmp_path / "new/source.json").read_text())
    assert source.pop("content") == read_source(tmp_path / "new")["content"]
    assert source == {"source": "a/b", "revision": "v1", "commit": "abc123"}


def content(local: Path, directory: Path, revision: str = "main") -> str:
    hub.fetch_model(str(local), revision, sorted(local.iterdir()), directory, "llms", "weights")
    return read_source(directory)["content"]


def test_the_content_of_weights_depends_on_their_files_only(tmp_path):
    first = content(model(tmp_path / "one", *FILES), tmp_path / "fetched")
    assert content(model(tmp_path / "other", *FILES, *OTHERS), tmp_path / "other-fetched", "v2") == first
    # Fetched weights may be moved and used as a local directory.
    assert content(tmp_path / "fetched", tmp_path / "again") == first
    for name in FILES:
        (tmp_path / "one" / name).write_text(f"changed {name}", encoding="utf-8")
    assert content(tmp_path / "one", tmp_path / "changed") != first


@pytest.mark.parametrize("text", [None, "{", "[]", '{"source": "a/b", "revision": "main"}'])
def test_a_directory_without_source_facts_is_named(text, tmp_path):
    if text is not None:
        (tmp_path / "source.json").write_text(text, encoding="utf-8")
    with pytest.raises(
        UserError, match=r"source\.json does not say which weights these are; delete .*fetch them again"
    ):
        read_source(tmp_path)


def test_without_a_network_the_message_names_the_target_that_fetches(tmp_path, monkeypatch):
    def download(*_, **__):
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(hub, "snapshot_download", download)
    with pytest.raises(UserError, match=r"llms: a/b at main cannot be fetched.*`snakemake weights .*network access"):
        hub.fetch_model("a/b", "main", [], tmp_path / "new", "llms", "weights")


@pytest.mark.parametrize(
    ("missing", "words"),
    [("config.json", "has no config.json"), ("model.safetensors", "has no weights in safetensors")],
)
def test_a_directory_without_weights_or_configuration_is_refused(missing, words, tmp_path):
    local = model(tmp_path / "local", *(name for name in FILES if name != missing))
    with pytest.raises(UserError, match=f"llms: local {words}"):
        hub.fetch_model("local", "main", sorted(local.iterdir()), tmp_path / "new", "llms", "weights")
    assert not (tmp_path / "new").exists()
