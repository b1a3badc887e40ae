"""The page of the lineage: every link has a target, and paths of this machine are not shown."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
import tiny_tree
from pages import templates
from tiny_tree import MODEL, STAYS, TABLE, make

from clinragen.audit.contents import read
from clinragen.audit.identifiers import Identifiers
from clinragen.audit.lineage import environments, lineage_page
from clinragen.audit.verify import Problem
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
    assert row.startswith("tables/table.csv · III · ours w/o LAB&amp;KNOW:")  # the heading may be off the screen
    assert links(page) <= set(ids(page))


def test_a_row_leads_back_to_its_row_on_the_page_of_the_table():
    where = {"dataset": "MIMIC-III", "model": "ClinRaGen*"}
    job = {"rows": [{"where": where, "inputs": [STAYS]}], "command": ["python", "scripts/evaluate_table.py"]}
    for path in ("results/x/tables/table1.csv", "results/x/tables/table1.html"):
        make(path, "evaluate_table", [STAYS], **job)
    page = lineage_page(["results/x/tables/table1.csv", "results/x/tables/table1.html"], "results/x", "", TEMPLATES)
    assert 'href="../tables/table1.html#mimic-iii-clinragenstar">on its page</a>' in page


def test_the_commands_can_be_copied():
    page = lineage_page(OUTPUTS, "results/x", "beef", TEMPLATES)
    assert "python scripts/trace.py results/x --verify --root beef</code>" in page
    assert f"<pre>python scripts/extract_stays.py --inputs raw/a.csv raw/b.csv --out {STAYS}</pre>" in page


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
    assert "Root of the records: <code>beef</code>" in lineage_page(OUTPUTS, "results/x", "beef", TEMPLATES)


def test_the_summary_counts_environments_machines_commits_and_files_from_outside():
    newer = {"python": "3.11.15", "packages": {"numpy": "9.9", "torch": "3"}}
    make("results/x/other", "train_phase1", ["results/x/stays"], environment=newer, hardware={"cpus": 64},
         git={"commit": "def", "dirty": False})  # fmt: skip
    page = lineage_page([*OUTPUTS, "results/x/other"], "results/x", "", TEMPLATES)
    summary = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page[: page.index('id="outputs"')]))
    for text in ("4 outputs", "2 raw files from outside", "1 resources of the repository", "yes complete",
                 "environment-1: Python 3.11.15, 1 packages 3 outputs", "numpy 2.4.6",
                 "environment-2: Python 3.11.15, 2 packages 1 output ", "numpy 9.9, torch 3",
                 "commit abc with uncommitted changes 3 outputs", "commit def 1 output ",
                 "machine-2: {&#34;cpus&#34;: 64} 1 output "):  # fmt: skip
        assert text in summary, text
    (other,) = re.findall(r'<section class="output" id="other">(.*?)</section>', page, re.DOTALL)
    assert 'href="#environment-2"' in other and 'href="#machine-2"' in other


def test_packages_that_other_steps_import_do_not_make_another_environment():
    def of(number: int, **packages: str) -> dict:
        return {"path": number, "record": {"environment": {"python": "3", "packages": packages}}}

    outputs = [of(1, numpy="1"), of(2, torch="2"), of(3, numpy="1", torch="3"), of(4, torch="2", scipy="5")]
    first, second = environments(outputs)
    assert (first["packages"], first["outputs"]) == ({"numpy": "1", "torch": "2", "scipy": "5"}, 3)
    assert (second["packages"], second["outputs"]) == ({"numpy": "1", "torch": "3"}, 1)
    assert [output["environment"] for output in outputs] == [1, 1, 2, 1]


def test_problems_are_listed_without_places_outside_of_the_tree(tmp_path):
    outside = str(tmp_path / "home/me/raw/a.csv")
    problems = [Problem("edited", "results/x/stays", f"made of {outside}"), Problem("lost", outside, "is missing")]
    page = lineage_page(OUTPUTS, "results/x", "", TEMPLATES, problems)
    assert 'edited: <a href="#stays">stays</a>; lost: …/raw/a.csv' in page and "/home/" not in page
    assert "<b>no</b><span>complete down to raw files</span>" in page


def test_a_release_does_not_take_digits_of_a_hash_for_an_identifier():
    page = lineage_page(OUTPUTS, "results/x", "beef", TEMPLATES)
    digits = {number for sha256 in re.findall(r"[0-9a-f]{64}", page) for number in re.findall(r"[1-9]\d{4,}", sha256)}
    assert digits and list(Identifiers(digits).among(read("audit/lineage.html", page.encode()).values)) == []


def test_no_outputs_make_a_page_too():
    assert "<h1>Lineage</h1>" in lineage_page([], "results/x", "", TEMPLATES)
