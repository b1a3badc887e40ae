"""Outputs under temporary names: unique, cleaned up, renamed."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from clinragen.runtime.outputs import Out, SharedOut, guarded

HOST = socket.gethostname()


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_two_writers_of_one_output_never_share_a_temporary_file(tmp_path):
    assert Out(tmp_path / "o").path != Out(tmp_path / "o").path


def test_preparing_creates_the_directory(tmp_path):
    Out(tmp_path / "a" / "b" / "o").prepare()
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("directory", [False, True], ids=["file", "directory"])
@pytest.mark.parametrize(
    ("name", "removed"),
    [
        ("{host}-{dead}-abc-o.csv", True),
        ("{host}-{own}-abc-o.csv", False),
        ("{host}-{dead}-abc-other.csv", False),
        ("elsewhere-{dead}-abc-o.csv", False),
    ],
    ids=["dead process", "living process", "another output", "another host"],
)
def test_only_leftovers_of_dead_processes_of_this_host_are_removed(name, removed, directory, tmp_path):
    old = tmp_path / (".tmp-" + name.format(host=HOST, dead=dead_pid(), own=os.getpid()))
    if directory:
        old.mkdir()
        (old / "part").write_text("half")
    else:
        old.write_text("half")
    Out(tmp_path / "o.csv").prepare()
    assert old.exists() is not removed


@pytest.mark.parametrize("old", [None, "file", "directory"])
@pytest.mark.parametrize("new", ["file", "directory"])
def test_the_new_output_replaces_an_old_one_of_any_kind(new, old, tmp_path):
    def make(path: Path, kind: str, text: str) -> None:
        if kind == "directory":
            path.mkdir()
            path = path / text
        path.write_text(text)

    out = Out(tmp_path / "o")
    if old:
        make(out.final, old, "old")
    out.prepare()
    make(out.path, new, "new")
    out.commit()
    content = out.final.read_text() if new == "file" else [p.name for p in out.final.iterdir()]
    assert content == ("new" if new == "file" else ["new"])
    assert [p.name for p in tmp_path.iterdir()] == ["o"]


def test_discarding_removes_files_and_directories_if_they_exist(tmp_path):
    file, directory, nothing = (Out(tmp_path / n) for n in ("a", "b", "c"))
    file.path.write_text("half")
    directory.path.mkdir()
    (directory.path / "x").write_text("half")
    for out in (file, directory, nothing):
        out.discard()
    assert list(tmp_path.iterdir()) == []


def test_discarding_a_link_keeps_its_target(tmp_path):
    (tmp_path / "kept").mkdir()
    out = Out(tmp_path / "o")
    out.path.symlink_to(tmp_path / "kept")
    out.discard()
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


@pytest.fixture
def umask():
    """Sets the umask of this process, until the test ends."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def modes(path: Path) -> list[str]:
    return [oct(p.stat().st_mode & 0o777) for p in (path, *sorted(path.rglob("*")))]


@pytest.mark.parametrize(
    ("mask", "file", "directory", "shared_file", "shared_folder"),
    [
        (0o000, "0o640", "0o770", "0o666", "0o777"),
        (0o002, "0o640", "0o770", "0o664", "0o775"),
        (0o022, "0o640", "0o750", "0o644", "0o755"),
        (0o027, "0o640", "0o750", "0o640", "0o750"),
        (0o077, "0o600", "0o700", "0o600", "0o700"),
    ],
)
def test_restricted_outputs_are_for_owner_and_group_and_shared_ones_follow_the_umask(
    mask, file, directory, shared_file, shared_folder, tmp_path, umask
):
    """Also while they are written, and where a library copies a file with its mode."""
    umask(mask)
    (tmp_path / "open").write_text("x")
    (tmp_path / "open").chmod(0o644)
    for kind, one, several in ((Out, file, directory), (SharedOut, shared_file, shared_folder)):
        single, tree = kind(tmp_path / f"{kind.__name__}.parquet"), kind(tmp_path / kind.__name__)
        with guarded():
            single.path.write_text("row")
            (tree.path / "sub").mkdir(parents=True)
            shutil.copy(tmp_path / "open", tree.path / "sub" / "copied")
            (tree.path / "sub" / "link").symlink_to("copied")
            assert int(modes(single.path)[0], 8) & 0o007 == 0 == int(modes(tree.path)[0], 8) & 0o007
        for out in (single, tree):
            out.commit()
        assert modes(single.final) == [one]
        assert modes(tree.final) == [several, several, one, one]
    assert modes(tmp_path / "open") == ["0o644"], "only outputs are changed"


def test_the_umask_is_as_before_also_after_a_failure(umask):
    umask(0o002)
    with pytest.raises(RuntimeError), guarded():
        raise RuntimeError
    assert umask(0o002) == 0o002


def test_a_file_system_without_permissions_is_not_an_error(tmp_path, monkeypatch):
    def refused(self, mode):
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refused)
    out = Out(tmp_path / "o")
    out.path.write_text("x")
    out.commit()
    assert out.final.read_text() == "x"


def test_outputs_are_restricted_by_default():
    assert (Out("x").sharing, SharedOut("x").sharing) == ("restricted", "shareable")
