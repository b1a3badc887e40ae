"""The page of the lineage: every link has a target, and paths of this machine are not shown."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
import tiny_tree
from pages import templates
from tiny_tree import MODEL, STAYS, TABLE, make

from clinragen.audit.lineage import lineage_page
from clinragen.provenance.digest import code_digest

TEMPLATES = templates("lineage")
OUTPUTS = [STAYS, MODEL, TABLE]


pytestmark = pytest.mark.usefixtures("project")


def ids(page: str) -> list[str]:
    return [unescape(i) for i in re.findall(r' id="([^"]*)"', page)]


def links(page: str) -> set[str]:
    return {unquote(unescape(i)) for i in re.findall(r'href="#([^"]*)"', page)}


def test_every_link_has_one_target_and_every_input_is_linked():
    page = lineage_page(OUTPUTS, "results/x", "", TEMPLATES)
    found = ids(page)
    assert len(found) == len(set(found)) and links(page) <= set(found)
    places = {"stays", "model", "raw/a.csv", "raw/b.csv", "resources/names.csv"}
    assert places <= links(page) and "tables/table.csv" in found


def test_a_row_of_a_table_has_a_place_with_its_own_inputs():
    names = ["ours w/o LAB&KNOW", "theirs"]
    for name in ("one", "two"):
        make(f"results/x/{name}", "train_phase1", ["results/x/stays"])
    rows = [
        {"where": {"dataset": "III", "model": model}, "inputs": [f"results/x/{name}"]}
        for name, model in zip(("one", "two"), names, strict=True)
    ]
    make("results/x/tables/table.csv", "evaluate_scores", ["results/x/one", "results/x/two", "raw/a.csv"], rows=rows)
    page = lineage_page([*OUTPUTS, "results/x/one", "results/x/two"], "results/x", "", TEMPLATES)
    (row,) = re.findall(r'<li id="tables/table.csv/III/ours w/o LAB&amp;KNOW">(.*?)</li>', page)
    assert "#one" in row and "#two" not in row and "#raw" not in row
    assert links(page) <= set(ids(page))


def test_the_facts_of_a_record_are_shown_and_escaped():
    command = ["python", "scripts/evaluate_predict.py", '--settings={"a<b": 1}']
    make("results/x/odd", "evaluate_predict", ["raw/a.csv"], command=command,
         facts={"models": ["<b>gpt</b>"]}, stand_ins=["a & b"], seed=5)  # fmt: skip
    page = lineage_page(["results/x/odd"], "results/x", "", TEMPLATES)
    for text in ("&lt;b&gt;gpt&lt;/b&gt;", "a &amp; b", "a&lt;b", "<dd>5</dd>", "numpy 2.4.6",
                 f"{code_digest('evaluate_predict')}, runtime c0re", "abc with uncommitted changes"):  # fmt: skip
        assert text in page, text
    assert "<b>gpt" not in page


def test_the_directory_of_the_raw_files_is_not_shown(project):
    raw = str(tiny_tree.write(str(project / "home/me/mimic/hosp/patients.csv")))
    command = ["python", "--raw", raw, "--scratch", f"{project}/results/x/checkpoints"]
    make("results/x/y", "evaluate_predict", [raw], command=command)
    page = lineage_page(["results/x/y"], "results/x", "", TEMPLATES)
    assert str(project) not in page and "home" not in page and "…/hosp/patients.csv" in page


def test_a_tree_with_absolute_paths_is_shown_like_one_with_relative_paths(project):
    make(str(project / "results/x/abs"), "evaluate_predict", ["raw/a.csv"])
    page = lineage_page([str(project / "results/x/abs")], str(project / "results/x"), "", TEMPLATES)
    assert str(Path.cwd()) not in page and 'href="../abs"' in page


def test_the_root_of_the_records_is_shown():
    assert "<code>beef</code>" in lineage_page(OUTPUTS, "results/x", "beef", TEMPLATES)


def test_no_outputs_make_a_page_too():
    assert "<h1>Lineage</h1>" in lineage_page([], "results/x", "", TEMPLATES)
