"""Changes that affect the digest of a rule's code, and changes that do not."""

import ast
import os
import shutil
from pathlib import Path

import pytest

from clinragen.provenance import digest

SCRIPTS = Path(__file__).parents[2] / "scripts"
STAYS = "clinragen/extract/stays.py"
SCHEMA = "clinragen/schemas/schema.py"


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """A copy of scripts/ that the digest reads."""
    copy = tmp_path / "scripts"
    shutil.copytree(SCRIPTS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(digest, "SCRIPTS", copy)
    return copy


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path} has changed: adapt the test"
    path.write_text(text.replace(old, new), encoding="utf-8")


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def changed_by(scripts: Path, rule: str, change) -> bool:
    before = digest.code_digest(rule)
    change()
    return digest.code_digest(rule) != before


NO_MEANING = {
    "comment": lambda s: append(s / STAYS, "\n# a remark\n"),
    "docstring of a function": lambda s: edit(s / SCHEMA, '"""Read and check a table', '"""Read a table'),
    "docstring of a module": lambda s: edit(s / SCHEMA, '"""A table\'s schema', '"""Schema of a table'),
    "docstring of an attribute": lambda s: edit(
        s / "clinragen/config/extract.py", '"""Minimum age in years', '"""Lowest age in years'
    ),
    "removed docstring": lambda s: edit(s / "extract_stays.py", '"""Command line of rule extract_stays."""', ""),
    "formatting": lambda s: edit(s / STAYS, "AGE_OF_THE_OLDEST = 90", "AGE_OF_THE_OLDEST   =   (\n    90\n)"),
    "time of change": lambda s: [os.utime(p, (1, 1)) for p in s.rglob("*.py")],
}


@pytest.mark.parametrize("change", NO_MEANING.values(), ids=NO_MEANING.keys())
def test_changes_without_meaning_keep_the_digest(change, scripts):
    assert not changed_by(scripts, "extract_stays", lambda: change(scripts))


MEANING = {
    "the script": lambda s: append(s / "extract_stays.py", "\nX = 1\n"),
    "a module imported inside the function": lambda s: edit(
        s / STAYS, "AGE_OF_THE_OLDEST = 90", "AGE_OF_THE_OLDEST = 91"
    ),
    "a module imported at the top": lambda s: append(s / "clinragen/config/extract.py", "\nX = 1\n"),
    "an indirectly imported module": lambda s: append(s / SCHEMA, "\nX = 1\n"),
    "the base of the settings": lambda s: append(s / "clinragen/config/base.py", "\nX = 1\n"),
    "an __init__ on the way": lambda s: append(s / "clinragen/extract/__init__.py", "\nX = 1\n"),
    "SQL in a constant": lambda s: edit(s / STAYS, "WHERE age > 89 OR", "WHERE age > 88 OR"),
}


@pytest.mark.parametrize("change", MEANING.values(), ids=MEANING.keys())
def test_changes_with_meaning_change_the_digest(change, scripts):
    assert changed_by(scripts, "extract_stays", lambda: change(scripts))


@pytest.mark.parametrize("unrelated", ["clinragen/extract/events.py", "clinragen/config/train.py", "extract_events.py"])
def test_a_module_that_is_not_imported_changes_nothing(unrelated, scripts):
    assert not changed_by(scripts, "extract_stays", lambda: append(scripts / unrelated, "\nX = 1\n"))


def test_the_runtime_is_in_its_own_digest_only(scripts):
    neutral = digest.runtime_digest()
    session = scripts / "clinragen/runtime/session.py"
    assert not changed_by(scripts, "extract_stays", lambda: append(session, "\nX = 1\n"))
    assert digest.runtime_digest() != neutral


def test_imports_of_the_runtime_are_in_its_digest(scripts):
    neutral = digest.runtime_digest()
    append(scripts / "clinragen/provenance/record.py", "\nX = 1\n")
    assert digest.runtime_digest() != neutral


@pytest.mark.parametrize("module", ["step", "processes"])
def test_modules_that_set_threads_seeds_and_arguments_are_in_every_digest(module, scripts):
    path = scripts / f"clinragen/{module}.py"
    rules = [p.stem for p in scripts.glob("*_*.py")]
    before = {rule: digest.code_digest(rule) for rule in rules}
    append(path, "\nX = 1\n")
    assert len(rules) > 30 and all(digest.code_digest(rule) != before[rule] for rule in rules)


def test_a_script_next_to_the_rule_is_followed(scripts):
    (scripts / "sibling.py").write_text("X = 1\n", encoding="utf-8")
    append(scripts / "extract_stays.py", "\nimport sibling\n")
    assert changed_by(scripts, "extract_stays", lambda: append(scripts / "sibling.py", "\nX = 2\n"))


def test_a_coding_cookie_counts_as_python_counts_it(scripts):
    path = scripts / STAYS
    text = path.read_text(encoding="utf-8") + "\nWORD = 'ü'\n"
    path.write_text(text, encoding="utf-8")
    # The same bytes decode to a different word.
    assert changed_by(
        scripts, "extract_stays", lambda: path.write_bytes(b"# -*- coding: latin-1 -*-\n" + text.encode("utf-8"))
    )


class Bare(ast.NodeTransformer):
    """Removes statements that are only a text."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)


def test_the_code_of_a_file_is_what_the_standard_library_dumps_without_docstrings():
    for path in SCRIPTS.rglob("*.py"):
        assert digest._code(path)[0] == ast.dump(Bare().visit(ast.parse(path.read_bytes()))), path


FORMS = {
    "import module": "import clinragen.extra.deep",
    "import module as": "import clinragen.extra.deep as d",
    "from package import module": "from clinragen.extra import deep",
    "from module import name": "from clinragen.extra.deep import VALUE",
    "in a function": "def f():\n    from clinragen.extra.deep import VALUE\n    return VALUE",
    "under a condition": "if True:\n    from clinragen.extra.deep import VALUE",
    "relative, in the package": None,
}


@pytest.mark.parametrize("form", FORMS.keys())
def test_every_form_of_import_counts(form, scripts):
    extra = scripts / "clinragen" / "extra"
    extra.mkdir()
    (extra / "__init__.py").write_text("")
    (extra / "deep.py").write_text("VALUE = 1\n")
    (extra / "door.py").write_text("from .deep import VALUE\n")
    (scripts / "toy.py").write_text((FORMS[form] or "from clinragen.extra.door import VALUE") + "\n")
    assert changed_by(scripts, "toy", lambda: (extra / "deep.py").write_text("VALUE = 2\n"))


def test_the_changed_file_can_be_identified(scripts):
    before = digest.code_files("extract_stays")
    append(scripts / STAYS, "\nX = 1\n")
    append(scripts / "clinragen/config/extract.py", "\n# a remark\n")
    now = digest.code_files("extract_stays")
    assert before.keys() == now.keys() and "extract_stays.py" in now
    assert [path for path in now if now[path] != before[path]] == [STAYS]


def test_circular_imports_terminate(scripts):
    (scripts / "clinragen" / "ring_a.py").write_text("import clinragen.ring_b\n")
    (scripts / "clinragen" / "ring_b.py").write_text("import clinragen.ring_a\n")
    (scripts / "toy.py").write_text("import clinragen.ring_a\n")
    assert changed_by(scripts, "toy", lambda: append(scripts / "clinragen" / "ring_b.py", "X = 1\n"))


def test_the_same_code_under_another_name_is_another_digest(scripts):
    shutil.copy(scripts / "extract_stays.py", scripts / "copied.py")
    assert digest.code_digest("copied") != digest.code_digest("extract_stays")


def test_a_rule_without_script_is_an_error(scripts):
    with pytest.raises(FileNotFoundError):
        digest.code_digest("no_such_rule")


def test_the_digest_does_not_depend_on_the_place_of_the_checkout(scripts):
    here = digest.code_digest("extract_stays")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digest, "SCRIPTS", SCRIPTS)
        assert digest.code_digest("extract_stays") == here
