"""Keys that a file of settings repeats, and rows that it omits and nobody has, are reported."""

from pathlib import Path

import pytest
from runs import ROOT

from clinragen.workflow.settings_files import nulls_without_row, repeated_keys, stop_if_unreadable, stop_if_wrong


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("models: {a: 1}\nseeds: [1]\n", []),
        ("models:\n  a: 1\nmodels:\n  b: 2\n", [(3, "models")]),
        ("models:\n  a: {x: 1, y: 2, x: 3}\n", [(2, "models.a.x")]),
        ("rows:\n- a: 1\n- a: 1\n  a: 2\n", [(4, "rows.1.a")]),
        ("a: &once {x: 1}\nb: *once\nc: {<<: *once, x: 2}\n", []),
        ("a: &twice {x: 1, x: 2}\nb: *twice\n", [(1, "a.x")]),
        ('{"seeds": [1], "seeds": [2]}', [(1, "seeds")]),
    ],
)
def test_repeated_keys(text: str, found: list[tuple[int, str]], tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    assert list(repeated_keys(path)) == found


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"a:\n\tb: 1\n", ", line 2, column 1: found character"),
        (b"a: [1\nb: 2\n", ", line 2, column 2: expected ',' or ']'"),
        (b"a: 'open\n", ", line 2, column 1: found unexpected end of stream"),
        (b"a: \x07\n", ": unacceptable character"),
        (b"a: \xff\n", ": not a text in UTF-8"),
        (b"", ": has no keys"),
        (b"words\n", ": has no keys"),
        (None, ": No such file or directory"),
    ],
)
def test_a_file_that_is_not_yaml_is_named_with_its_line(content: bytes | None, place: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit) as stopped:
        stop_if_unreadable(["config.yaml", path])
    _, line = str(stopped.value).splitlines()
    assert line.startswith(f"  - {path}{place}")


def test_all_files_are_reported_at_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text("seeds: [1]\nseeds: [2]\n", encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        stop_if_wrong([tmp_path / "one.yaml", "config.yaml", tmp_path / "two.yaml"], {})
    assert str(stopped.value).splitlines()[1:] == [f"  - {tmp_path / n}.yaml, line 2: seeds" for n in ("one", "two")]


def test_a_null_needs_a_row_to_omit(tmp_path: Path) -> None:
    texts = {
        "base": "models: {llama-ft: {table: [1]}, frozen: {table: [1]}}\nasked: {}\n",
        "more": "models: {own: {table: [1]}, frozen: null}\n",
        "less": "models: {own: null, llama_ft: null}\nasked: {x: null}\nclassifiers:\n",
    }
    paths = [tmp_path / name for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    found = [(path.name, words) for path, words in nulls_without_row(paths, [])]
    assert found == [("less", "models.llama_ft; did you mean models.llama-ft?"), ("less", "asked.x")]
    # A row of the command line, or of a file that is used at another time.
    assert len(list(nulls_without_row(paths, [{"asked": {"x": {"llm": "y"}}}]))) == 1


def test_settings_of_this_repository_are_right() -> None:
    overlays = list((ROOT / "config").glob("*.yaml"))
    for path in overlays:
        stop_if_wrong([ROOT / "config.yaml", path], {}, overlays)
