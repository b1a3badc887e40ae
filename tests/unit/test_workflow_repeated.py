"""A key that a file of settings repeats is reported with its line."""

from pathlib import Path

import pytest
from runs import ROOT

from clinragen.workflow.repeated import repeated_keys, stop_if_keys_repeat


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


def test_all_files_are_reported_at_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text("seeds: [1]\nseeds: [2]\n", encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        stop_if_keys_repeat([tmp_path / "one.yaml", "config.yaml", tmp_path / "two.yaml"])
    assert str(stopped.value).splitlines()[1:] == [f"  - {tmp_path / n}.yaml, line 2: seeds" for n in ("one", "two")]


def test_settings_of_this_repository_repeat_no_key() -> None:
    stop_if_keys_repeat([ROOT / "config.yaml", *(ROOT / "config").glob("*.yaml")])
