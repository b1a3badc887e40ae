"""A step: its command line, its errors, and outputs that appear only on success."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel
from step_script import arguments, left_over, prepare_steps_without_script, run_step, write_step

from clinragen.errors import UserError
from clinragen.processes import distributed, main_process
from clinragen.provenance.record import read_record
from clinragen.runtime import session
from clinragen.step import Context, Out, SharedOut, run


class Settings(BaseModel):
    width: int
    name: str = "x"


@pytest.fixture(autouse=True)
def without_script(monkeypatch):
    prepare_steps_without_script(monkeypatch)


def test_restricted_outputs_are_for_owner_and_group(tmp_path):
    seen = []

    def toy(out: Out, table: SharedOut) -> None:
        for path in (out.path, table.path, tmp_path / "scratch"):
            path.write_text("x")
            seen.append(path.stat().st_mode & 0o007)

    before = os.umask(0o022)
    try:
        run(toy, arguments(out=tmp_path / "o.json", table=tmp_path / "t.csv"))
    finally:
        assert os.umask(before) == 0o022
    assert seen == [0, 0, 0]
    assert {n: oct((tmp_path / n).stat().st_mode & 0o777) for n in ("o.json", "t.csv")} == {
        "o.json": "0o640",
        "t.csv": "0o644",
    }


def test_every_kind_of_argument_arrives_as_annotated(tmp_path):
    seen = {}

    def toy(
        one: Path, many: list[Path], number: int, share: float, word: str, yes: bool, my_settings: Settings, out: Out
    ) -> None:
        seen.update(locals())
        out.path.write_text("done")

    for name in "abc":
        (tmp_path / name).write_text(name)
    a, b, c = (tmp_path / n for n in "abc")
    line = arguments(one=a, many=[b, c], number=3, share=0.5, word="a b", yes="True", out=tmp_path / "o")
    run(toy, [*line, "--my-settings", '{"width": 4}'])
    assert (seen["one"], seen["many"]) == (a, [b, c])
    assert (seen["number"], seen["share"], seen["word"], seen["yes"]) == (3, 0.5, "a b", True)
    assert seen["my_settings"] == Settings(width=4)
    assert (tmp_path / "o").read_text() == "done"


@dataclass(frozen=True)
class Base:
    table: Path


@dataclass(frozen=True)
class Group(Base):
    other: Path | None
    settings: Settings


def test_a_group_stands_for_the_arguments_that_its_fields_are(tmp_path):
    seen = []

    def toy(group: Group, factor: float, out: Out) -> None:
        seen.append((group, factor))
        out.path.write_text("x")

    table = tmp_path / "raw" / "table"
    table.parent.mkdir()
    table.write_text("a")
    given = {"table": table, "settings": '{"width": 3}', "factor": 2, "out": tmp_path / "out"}
    run(toy, [*arguments(**given), "--other"])
    run(toy, [*arguments(**given), "--other", str(table)])
    settings = Settings(width=3)
    assert seen == [(Group(table, other, settings), 2.0) for other in (None, table)]
    record = read_record(tmp_path / "out")
    assert record["settings"] == {"settings": {"width": 3, "name": "x"}, "factor": 2.0}
    assert [file["path"] for file in record["inputs"]] == [str(table)] * 2


def test_every_argument_of_a_group_must_be_given(tmp_path, capsys):
    def toy(group: Group, out: Out) -> None:
        raise AssertionError

    with pytest.raises(SystemExit):
        run(toy, arguments(table=tmp_path / "table", settings='{"width": 3}', out=tmp_path / "out"))
    assert "--other" in capsys.readouterr().err


def test_a_list_of_inputs_may_be_empty(tmp_path):
    def toy(many: list[Path], out: Out) -> None:
        out.path.write_text(repr(many))

    run(toy, ["--many", "--out", str(tmp_path / "o")])
    assert (tmp_path / "o").read_text() == "[]"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--flag", "yes", "--number", "1", "--settings", '{"width": 1}'], "expected 'true' or 'false'"),
        (["--flag", "true", "--number", "x", "--settings", '{"width": 1}'], "--number"),
        (["--flag", "true", "--number", "1", "--settings", '{"width": "wide"}'], "width"),
        (["--flag", "true", "--number", "1", "--settings", '{"width": '], "--settings"),
        (["--flag", "true", "--number", "1", "--settings", '{"width": 1}', "--unknown", "1"], "--unknown"),
        (["--flag", "true", "--number", "1"], "--settings"),
        (["--flag", "true", "--num", "1", "--settings", '{"width": 1}'], "--num"),
    ],
    ids=["bool", "int", "settings", "broken JSON", "unknown", "missing", "abbreviated"],
)
def test_a_wrong_command_line_names_the_argument(line, message, tmp_path, capsys):
    def toy(flag: bool, number: int, settings: Settings, out: Out) -> None:
        raise AssertionError("must not run")

    with pytest.raises(SystemExit) as stop:
        run(toy, [*line, "--out", str(tmp_path / "o")])
    assert stop.value.code == 2 and message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_seed_reaches_the_generators(tmp_path):
    import random

    import numpy as np

    def toy(seed: int, out: Out) -> None:
        out.path.write_text(f"{random.random()} {np.random.random()}")

    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(toy, arguments(seed=seed, out=tmp_path / name))
    a, b, c = ((tmp_path / n).read_text() for n in "abc")
    assert a == b != c


def test_a_user_error_is_a_message_and_leaves_the_old_output_alone(tmp_path):
    script = write_step(
        tmp_path,
        "old: Out, fresh: Out",
        """
        old.path.write_text("half")
        fresh.path.write_text("half")
        raise UserError("notes.csv: line 3 is odd; repair it")
        """,
    )
    (tmp_path / "old").write_text("old")
    done = run_step(script, "--old", tmp_path / "old", "--fresh", tmp_path / "fresh")
    assert done.returncode == 2
    assert "notes.csv: line 3 is odd; repair it" in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "old").read_text() == "old" and not (tmp_path / "fresh").exists()
    assert left_over(tmp_path) == [] and not (tmp_path / ".records").exists()


@pytest.mark.parametrize("body", ["raise ValueError('bug')", "pass"], ids=["raises", "writes nothing"])
def test_a_step_that_fails_leaves_no_output(body, tmp_path):
    script = write_step(tmp_path, "first: Out, second: Out", f"first.path.write_text('whole')\n{body}")
    done = run_step(script, "--first", tmp_path / "first", "--second", tmp_path / "second")
    assert done.returncode == 1 and "Traceback" in done.stderr
    assert not (tmp_path / "first").exists() and not (tmp_path / "second").exists()
    assert left_over(tmp_path) == []


def test_outputs_appear_only_after_the_step_has_ended(tmp_path):
    def toy(out: Out) -> None:
        out.path.write_text("whole")
        assert not out.final.exists()
        assert out.path.parent == out.final.parent, "a rename is atomic only within one directory"

    run(toy, ["--out", str(tmp_path / "new" / "directory" / "o")])
    assert (tmp_path / "new" / "directory" / "o").read_text() == "whole"


def test_a_missing_input_is_named_and_nothing_runs(tmp_path, capfd):
    def toy(source: Path, out: Out) -> None:
        raise AssertionError("must not run")

    with pytest.raises(SystemExit) as stop:
        run(toy, arguments(source=tmp_path / "absent.csv", out=tmp_path / "o"))
    assert stop.value.code == 2
    assert f"{tmp_path / 'absent.csv'}: no such input file" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_output_directory_replaces_the_old_one_whole(tmp_path):
    def toy(names: str, out: Out) -> None:
        out.path.mkdir()
        for name in names.split():
            (out.path / name).write_text(name)

    run(toy, arguments(names="a b", out=tmp_path / "o"))
    run(toy, arguments(names="c", out=tmp_path / "o"))
    assert [p.name for p in (tmp_path / "o").iterdir()] == ["c"]
    facts = read_record(tmp_path / "o")["output"]
    assert facts["files"] == {"c": hashlib.sha256(b"c").hexdigest()} and facts["bytes"] == 1
    assert left_over(tmp_path) == []


def test_only_the_main_process_commits(tmp_path, monkeypatch):
    def toy(out: Out) -> None:
        out.path.write_text("from " + ("main" if main_process() else "another"))

    monkeypatch.setenv("RANK", "1")
    run(toy, ["--out", str(tmp_path / "o")])
    assert distributed() and list(tmp_path.iterdir()) == []
    monkeypatch.setenv("RANK", "0")
    run(toy, ["--out", str(tmp_path / "o")])
    assert (tmp_path / "o").read_text() == "from main"


def test_another_process_may_write_nothing(tmp_path, monkeypatch):
    def toy(out: Out) -> None:
        pass

    monkeypatch.setenv("RANK", "3")
    run(toy, ["--out", str(tmp_path / "o")])
    assert list(tmp_path.iterdir()) == []


def test_after_commit_runs_once_the_outputs_exist(tmp_path):
    seen = []

    def toy(context: Context, fail: bool, out: Out) -> None:
        context.after_commit(lambda: seen.append(out.final.read_text()))
        out.path.write_text("whole")
        if fail:
            raise UserError("no")

    with pytest.raises(SystemExit):
        run(toy, arguments(fail="true", out=tmp_path / "o"))
    assert seen == []
    run(toy, arguments(fail="false", out=tmp_path / "o"))
    assert seen == ["whole"], "the action of the failed run must be forgotten"


def test_the_fingerprint_follows_inputs_arguments_and_code(tmp_path, monkeypatch):
    prints = []

    def toy(context: Context, source: Path, number: int, out: Out) -> None:
        prints.append(context.fingerprint())
        out.path.write_text("x")

    source = tmp_path / "raw" / "in"
    source.parent.mkdir()

    def once(text: str = "a", number: int = 1) -> str:
        source.write_text(text)
        run(toy, arguments(source=source, number=number, out=tmp_path / "o"))
        return prints[-1]

    first = once()
    assert once() == first
    assert len({first, once(text="b"), once(number=2)}) == 3
    monkeypatch.setattr(session, "code_digest", lambda rule: "another")
    assert once() != first


def test_code_that_changes_during_the_run_ends_the_step_without_outputs_and_keeps_scratch(tmp_path, monkeypatch, capfd):
    versions = iter(["before", "after"])
    monkeypatch.setattr(session, "code_files", lambda rule: {"clinragen/train/trainer.py": next(versions)})
    seen = []

    def toy(context: Context, out: Out) -> None:
        context.after_commit(lambda: seen.append("removed"))
        out.path.write_text("x")

    with pytest.raises(SystemExit) as stop:
        run(toy, arguments(out=tmp_path / "o"))
    assert stop.value.code == 2 and list(tmp_path.iterdir()) == [] and seen == []
    assert "scripts/clinragen/train/trainer.py changed while toy was running" in capfd.readouterr().err
