"""The provenance record of a step: its content, its privacy, and records that do not match."""

import hashlib
import json
import re
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import BaseModel
from step_script import arguments, prepare_steps_without_script

from clinragen.errors import UserError
from clinragen.provenance.record import describe, read_record
from clinragen.runtime import session
from clinragen.runtime.context import Facts
from clinragen.schemas.schema import Column, Table
from clinragen.step import Context, Out, Private, SharedOut, run


class Settings(BaseModel):
    width: int
    name: str = "x"


@pytest.fixture(autouse=True)
def without_script(monkeypatch):
    prepare_steps_without_script(monkeypatch)


PLAIN = {"made_by": None, "record": None}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_record_describes_output_inputs_code_and_settings(tmp_path):
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


def test_the_record_names_the_rule_behind_each_input(tmp_path):
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


def test_the_record_lists_the_facts_of_a_step(tmp_path):
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


def test_origins_of_the_rows_of_one_output_are_only_in_its_record(tmp_path):
    def toy(context: Context, one: Out, two: Out) -> None:
        context.made_of({"model": "ours"}, [Path("a")])
        context.made_of({"model": "ours", "other": "theirs"}, [Path("b")], two)
        context.made_of({"model": "ours"}, [Path("a"), Path("c")])  # another seed
        for out in (one, two):
            out.path.write_text("x")

    run(toy, arguments(one=tmp_path / "1", two=tmp_path / "2"))
    both = {"where": {"model": "ours"}, "inputs": ["a", "c"]}
    assert read_record(tmp_path / "1")["rows"] == [both]
    assert read_record(tmp_path / "2")["rows"] == [
        both,
        {"where": {"model": "ours", "other": "theirs"}, "inputs": ["b"]},
    ]


def test_private_settings_are_neither_logged_nor_recorded(tmp_path, capfd):
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
def test_private_arguments_are_neither_logged_nor_recorded(form, tmp_path, capfd):
    def toy(email: Private, out: Out) -> None:
        assert email == "me@example.org"
        out.path.write_text("x")

    run(toy, [*form, "--out", str(tmp_path / "o")])
    log = capfd.readouterr().err
    assert "toy.py" in log and "<private>" in log
    assert "example.org" not in log + (tmp_path / ".records/o.json").read_text()


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_the_record_counts_the_rows_of_a_table(suffix, tmp_path):
    table = Table("toy", (Column("a", pa.int64(), "number"),))

    def toy(out: Out) -> None:
        with table.writer(out.path) as writer:
            writer.write(pa.table({"a": [1, 2]}))
            writer.write(pa.table({"a": [3]}))

    run(toy, ["--out", str(tmp_path / f"o{suffix}")])
    assert read_record(tmp_path / f"o{suffix}")["output"]["rows"] == 3


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


def test_an_input_directory_is_hashed_by_its_files(tmp_path):
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


@pytest.mark.parametrize("directory", [False, True], ids=["file", "directory"])
def test_the_record_matches_an_output_replaced_by_another_copy(directory, tmp_path, monkeypatch):
    def write(path: Path, word: str) -> None:
        if directory:
            path.mkdir()
        (path / "f" if directory else path).write_text(word)

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
    assert (tmp_path / "o" / "f" if directory else tmp_path / "o").read_text() == "of the other copy"
    assert read_record(tmp_path / "o")["output"]["sha256"] == describe(tmp_path / "o")["sha256"]


def test_the_record_is_plain_json_next_to_the_output(tmp_path):
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


@pytest.mark.parametrize("directory", [False, True], ids=["file", "directory"])
def test_an_input_that_differs_from_its_record_is_refused_with_its_producer(directory, tmp_path, capfd):
    def first(out: Out) -> None:
        if directory:
            out.path.mkdir()
        (out.path / "f" if directory else out.path).write_text("made")

    def second(source: Path, out: Out) -> None:
        raise AssertionError("must not run")

    run(first, arguments(out=tmp_path / "1"))
    (tmp_path / "1" / "f" if directory else tmp_path / "1").write_text("edited")
    with pytest.raises(SystemExit) as stop:
        run(second, arguments(source=tmp_path / "1", out=tmp_path / "2"))
    assert stop.value.code == 2 and not (tmp_path / "2").exists()
    message = capfd.readouterr().err
    assert f"{tmp_path / '1'} is not what first wrote" in message and "snakemake --forcerun first" in message


def test_an_intermediate_without_its_record_is_refused_and_a_raw_file_is_not(tmp_path, capfd):
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
    assert "results/extract/1 has no provenance record although its neighbours have one" in capfd.readouterr().err


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
