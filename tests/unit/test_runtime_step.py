"""A step: its command line, its record, its errors, and outputs that appear only on success."""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import BaseModel
from step_script import left_over, run_step, write_step

from clinragen.errors import UserError
from clinragen.processes import distributed, main_process
from clinragen.provenance.record import describe, read_record
from clinragen.runtime import session
from clinragen.runtime.context import Facts
from clinragen.schemas.schema import Column, Table
from clinragen.step import Context, Out, Private, SharedOut, run


class Settings(BaseModel):
    width: int
    name: str = "x"


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch):
    """No launcher around, and digests of functions that have no script."""
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(session, "code_digest", lambda rule: f"digest-of-{rule}")
    monkeypatch.setattr(session, "code_files", lambda rule: {f"{rule}.py": "digest"})


def arguments(**values: object) -> list[str]:
    """A command line from keyword arguments, lists as several words."""
    words = []
    for name, value in values.items():
        words += ["--" + name.replace("_", "-"), *map(str, value if isinstance(value, list) else [value])]
    return words


PLAIN = {"made_by": None, "record": None}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_step_writes_for_owner_and_group_what_is_not_shared(tmp_path):
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


def test_the_record_tells_where_an_output_comes_from(tmp_path):
    def toy(source: Path, seed: int, settings: Settings, out: Out, shared: SharedOut) -> None:
        out.path.write_text("restricted")
        shared.path.write_text("aggregate")

    source = tmp_path / "in.txt"
    source.write_text("input")
    line = arguments(source=source, seed=7, settings='{"width": 2}', out=tmp_path / "o", shared=tmp_path / "s")
    run(toy, line)
    record, shared = read_record(tmp_path / "o"), read_record(tmp_path / "s")
    output = {"path": (tmp_path / "o").as_posix(), "bytes": 10, "sha256": sha256(tmp_path / "o")}
    assert record["output"] == output | {"sharing": "restricted"}
    assert shared["output"]["sharing"] == "shareable"
    assert record["inputs"] == [{"path": source.as_posix(), "bytes": 5, "sha256": sha256(source)} | PLAIN]
    assert record["command"] == ["python", "scripts/toy.py", *line]
    assert (record["rule"], record["code_digest"], record["seed"]) == ("toy", "digest-of-toy", 7)
    assert record["code"] == {"toy.py": "digest"}
    assert record["settings"] == {"seed": 7, "settings": {"width": 2, "name": "x"}}
    assert re.fullmatch(r"[0-9a-f]{40}", record["git"]["commit"]) and isinstance(record["git"]["dirty"], bool)
    assert {"python", "packages"} <= set(record["environment"]) and "pydantic" in record["environment"]["packages"]
    assert record["stand_ins"] == [] and record["wall_seconds"] >= 0 and record["hardware"]["cpus"] >= 1


def test_the_record_tells_which_inputs_were_made_by_a_rule(tmp_path):
    def first(out: Out) -> None:
        out.path.write_text("1")

    def second(sources: list[Path], out: Out) -> None:
        out.path.write_text("2")

    raw, one, two = (tmp_path / n for n in ("raw/file", "1", "2"))
    raw.parent.mkdir()
    raw.write_text("raw")
    run(first, ["--out", str(one)])
    run(second, arguments(sources=[raw, one], out=two))
    assert {Path(i["path"]).name: i["made_by"] for i in read_record(two)["inputs"]} == {"file": None, "1": "first"}


def test_the_record_lists_the_facts_that_a_step_notes(tmp_path):
    def toy(context: Context, few: int, many: int, out: Out) -> None:
        for n in range(few):
            context.note(Facts({"few": {f"request {n}"}}))
        context.note(Facts({"many": {f"{n:04}" for n in range(many)}}))
        context.note(Facts({"many": {"0000"}}))
        context.made_of({"model": "ours"}, [tmp_path / "scores.csv"])
        out.path.write_text("x")

    run(toy, arguments(few=3, many=101, out=tmp_path / "o"))
    listed = "\n".join(f"{n:04}" for n in range(101)).encode()
    record = read_record(tmp_path / "o")
    assert record["facts"] == {
        "few": ["request 0", "request 1", "request 2"],
        "many": {"number": 101, "sha256": hashlib.sha256(listed).hexdigest()},
    }
    assert record["rows"] == [{"where": {"model": "ours"}, "inputs": [(tmp_path / "scores.csv").as_posix()]}]
    run(toy, arguments(few=0, many=1, out=tmp_path / "o"))
    assert read_record(tmp_path / "o")["facts"] == {"many": ["0000"]}, "facts must not leak from one step to the next"


def test_what_is_said_of_the_rows_of_one_output_is_in_its_record_alone(tmp_path):
    def toy(context: Context, one: Out, two: Out) -> None:
        context.made_of({"model": "ours"}, [Path("a")])
        context.made_of({"model": "ours", "other": "theirs"}, [Path("b")], two)
        for out in (one, two):
            out.path.write_text("x")

    run(toy, arguments(one=tmp_path / "1", two=tmp_path / "2"))
    both = {"where": {"model": "ours"}, "inputs": ["a"]}
    assert read_record(tmp_path / "1")["rows"] == [both]
    assert read_record(tmp_path / "2")["rows"] == [
        both,
        {"where": {"model": "ours", "other": "theirs"}, "inputs": ["b"]},
    ]


def test_what_a_settings_class_calls_private_is_not_told(tmp_path, capfd):
    class Server(BaseModel):
        url: str
        tries: int

        @property
        def private(self) -> list[str]:
            return [self.url]

    def toy(server: Server, out: Out) -> None:
        assert server.url == "http://node7:8000"
        out.path.write_text("x")

    run(toy, arguments(server='{"url": "http://node7:8000", "tries": 3}', out=tmp_path / "o"))
    assert read_record(tmp_path / "o")["settings"] == {"server": {"url": "<private>", "tries": 3}}
    assert "node7" not in capfd.readouterr().err + (tmp_path / ".records/o.json").read_text()


@pytest.mark.parametrize("form", [["--email=me@example.org"], ["--email", "me@example.org"]])
def test_what_is_private_stands_in_neither_log_nor_record(form, tmp_path, capfd):
    def toy(email: Private, out: Out) -> None:
        assert email == "me@example.org"
        out.path.write_text("x")

    run(toy, [*form, "--out", str(tmp_path / "o")])
    told = capfd.readouterr().err
    assert "toy.py" in told and "<private>" in told
    assert "example.org" not in told + (tmp_path / ".records/o.json").read_text()


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_the_record_counts_the_rows_of_a_table(suffix, tmp_path):
    table = Table("toy", (Column("a", pa.int64(), "number"),))

    def toy(out: Out) -> None:
        with table.writer(out.path) as writer:
            writer.write(pa.table({"a": [1, 2]}))
            writer.write(pa.table({"a": [3]}))

    run(toy, ["--out", str(tmp_path / f"o{suffix}")])
    assert read_record(tmp_path / f"o{suffix}")["output"]["rows"] == 3


def test_the_seed_reaches_the_generators(tmp_path):
    import random

    import numpy as np

    def toy(seed: int, out: Out) -> None:
        out.path.write_text(f"{random.random()} {np.random.random()}")

    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(toy, arguments(seed=seed, out=tmp_path / name))
    a, b, c = ((tmp_path / n).read_text() for n in "abc")
    assert a == b != c


def test_stand_ins_pass_from_input_records_to_all_descendants(tmp_path):
    def first(context: Context, out: Out) -> None:
        context.stand_in("template teacher")
        out.path.write_text("1")

    def second(context: Context, source: Path, out: Out) -> None:
        assert context.stand_ins == {"template teacher"}
        context.note(Facts(stand_ins={"a tiny model"}))
        out.path.write_text("2")

    def third(source: list[Path], out: Out) -> None:
        out.path.write_text("3")

    def clean(out: Out) -> None:
        out.path.write_text("4")

    one, two, three, four = (tmp_path / n for n in ("1", "2", "3", "4"))
    run(first, ["--out", str(one)])
    run(second, arguments(source=one, out=two))
    run(third, arguments(source=[two, one], out=three))
    run(clean, ["--out", str(four)])
    assert read_record(one)["stand_ins"] == ["template teacher"]
    assert read_record(two)["stand_ins"] == read_record(three)["stand_ins"] == ["a tiny model", "template teacher"]
    assert read_record(four)["stand_ins"] == [], "labels must not leak from one step to the next"


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
        assert out.path.parent == out.final.parent, "a rename is atomic within one folder only"

    run(toy, ["--out", str(tmp_path / "new" / "folder" / "o")])
    assert (tmp_path / "new" / "folder" / "o").read_text() == "whole"


def test_a_missing_input_is_named_and_nothing_runs(tmp_path, capfd):
    def toy(source: Path, out: Out) -> None:
        raise AssertionError("must not run")

    with pytest.raises(SystemExit) as stop:
        run(toy, arguments(source=tmp_path / "absent.csv", out=tmp_path / "o"))
    assert stop.value.code == 2
    assert f"{tmp_path / 'absent.csv'}: no such input file" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_as_output_replaces_the_old_one_whole(tmp_path):
    def toy(names: str, out: Out) -> None:
        out.path.mkdir()
        for name in names.split():
            (out.path / name).write_text(name)

    run(toy, arguments(names="a b", out=tmp_path / "o"))
    run(toy, arguments(names="c", out=tmp_path / "o"))
    assert [p.name for p in (tmp_path / "o").iterdir()] == ["c"]
    facts = read_record(tmp_path / "o")["output"]
    assert facts["files"] == {"c": sha256(tmp_path / "o" / "c")} and facts["bytes"] == 1
    assert left_over(tmp_path) == []


def test_a_folder_as_input_is_hashed_by_its_files(tmp_path):
    def toy(source: Path, out: Out) -> None:
        out.path.write_text("x")

    (tmp_path / "raw" / "in" / "deep").mkdir(parents=True)
    file = tmp_path / "raw" / "in" / "deep" / "f"
    hashes = []
    for text in ("one", "one", "two"):
        file.write_text(text)
        run(toy, arguments(source=tmp_path / "raw" / "in", out=tmp_path / "o"))
        hashes.append(read_record(tmp_path / "o")["inputs"][0]["sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


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


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
def test_the_record_fits_the_output_that_another_copy_put_there_meanwhile(folder, tmp_path, monkeypatch):
    def write(path: Path, word: str) -> None:
        if folder:
            path.mkdir()
        (path / "f" if folder else path).write_text(word)

    def toy(out: Out) -> None:
        write(out.path, "mine")

    def other_first(output: Path, record: dict) -> None:
        monkeypatch.setattr(session, "write_record", plain)
        other = Out(output)
        write(other.path, "of the other copy")
        other.commit()
        plain(output, record)

    plain = session.write_record
    monkeypatch.setattr(session, "write_record", other_first)
    run(toy, arguments(out=tmp_path / "o"))
    assert (tmp_path / "o" / "f" if folder else tmp_path / "o").read_text() == "of the other copy"
    assert read_record(tmp_path / "o")["output"]["sha256"] == describe(tmp_path / "o")["sha256"]


def test_after_commit_runs_once_the_outputs_stand(tmp_path):
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


def test_the_record_is_plain_json_beside_the_output(tmp_path):
    def toy(word: str, out: Out) -> None:
        out.path.write_text("x")

    run(toy, arguments(word="ümlaut", out=tmp_path / "o.csv"))
    text = (tmp_path / ".records" / "o.csv.json").read_text(encoding="utf-8")
    assert json.loads(text) == read_record(tmp_path / "o.csv") and "ümlaut" in text
    assert read_record(tmp_path / "a raw file") is None


def test_the_record_of_an_output_names_the_records_of_its_inputs(tmp_path):
    def first(out: Out) -> None:
        out.path.write_text("1")

    def second(source: Path, out: Out) -> None:
        out.path.write_text("2")

    run(first, arguments(out=tmp_path / "1"))
    run(second, arguments(source=tmp_path / "1", out=tmp_path / "2"))
    assert read_record(tmp_path / "2")["inputs"][0]["record"] == sha256(tmp_path / ".records" / "1.json")


@pytest.mark.parametrize("folder", [False, True], ids=["file", "directory"])
def test_an_input_that_is_not_what_its_record_says_is_refused_and_its_producer_named(folder, tmp_path, capfd):
    def first(out: Out) -> None:
        if folder:
            out.path.mkdir()
        (out.path / "f" if folder else out.path).write_text("made")

    def second(source: Path, out: Out) -> None:
        raise AssertionError("must not run")

    run(first, arguments(out=tmp_path / "1"))
    (tmp_path / "1" / "f" if folder else tmp_path / "1").write_text("edited")
    with pytest.raises(SystemExit) as stop:
        run(second, arguments(source=tmp_path / "1", out=tmp_path / "2"))
    assert stop.value.code == 2 and not (tmp_path / "2").exists()
    assert f"{tmp_path / '1'} is not what first wrote" in (told := capfd.readouterr().err)
    assert "snakemake --forcerun first" in told


def test_an_intermediate_that_has_lost_its_record_is_refused_and_a_raw_file_is_not(tmp_path, capfd):
    def first(out: Out) -> None:
        out.path.write_text("made")

    def second(source: list[Path], out: Out) -> None:
        out.path.write_text("2")

    for name in ("1", "other"):
        run(first, arguments(out=tmp_path / "results/extract" / name))
    raw = tmp_path / "raw" / "table.csv"
    raw.parent.mkdir()
    raw.write_text("raw")
    line = arguments(source=[raw, tmp_path / "results/extract/1"], out=tmp_path / "results/train/2")
    run(second, line)
    (tmp_path / "results/extract/.records/1.json").unlink()
    with pytest.raises(SystemExit) as stop:
        run(second, line)
    assert stop.value.code == 2
    assert "results/extract/1 has no provenance record, unlike its neighbours" in capfd.readouterr().err


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


def test_the_record_names_code_and_commit_of_the_start(tmp_path, monkeypatch):
    commits = iter(["first", "second"])
    monkeypatch.setattr(session, "git_state", lambda: {"commit": next(commits), "dirty": False})

    def toy(out: Out) -> None:
        assert next(commits) == "second"
        out.path.write_text("x")

    run(toy, arguments(out=tmp_path / "o"))
    assert read_record(tmp_path / "o")["git"]["commit"] == "first"


@pytest.mark.parametrize(
    ("damage", "fact"),
    [
        (lambda r: "{", "is corrupted"),
        (lambda r: "[]", "is not a provenance record"),
        (lambda r: json.dumps(r | {"schema": 3}), "has record version 3, not 4"),
        (lambda r: json.dumps({k: v for k, v in r.items() if k != "stand_ins"}), "has no valid stand_ins"),
        (
            lambda r: json.dumps(r | {"output": {"path": "x"}}),
            "has no valid bytes, sha256, sharing",
        ),
        (lambda r: json.dumps(r | {"inputs": [{}]}), "has no valid bytes, made_by, path, record, sha256"),
        (lambda r: json.dumps(r | {"inputs": None}), "has no valid inputs"),
        (lambda r: json.dumps(r | {"output": r["output"] | {"path": 5}}), "has no valid path"),
    ],
)
def test_an_unusable_record_is_named_with_the_remedy(damage, fact, tmp_path):
    def toy(out: Out) -> None:
        out.path.write_text("x")

    run(toy, arguments(out=tmp_path / "o"))
    path = tmp_path / ".records" / "o.json"
    path.write_text(damage(json.loads(path.read_text())))
    with pytest.raises(UserError, match=re.escape(f"{path} {fact}; regenerate the output")):
        read_record(tmp_path / "o")
