"""The front page: every fact from the tables, every value with its lineage, and nothing missing breaks it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from front import CASE, EXAMPLE, KINDS, PAGES, SYNTHETIC, attrition, claims, front_page

from clinragen.errors import UserError
from clinragen.pages.tree import shown_tree
from clinragen.site.index_page import Example, read_examples, source_of


def text_of(page: str) -> str:
    """Return what a reader sees, with single spaces."""
    body = re.sub(r"(?s).*<body>|<script>.*?</script>", "", page)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def section_of(page: str, name: str) -> str:
    return page.split(f'<section id="{name}">')[1].split("<section id=")[0]


class Links(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: dict[str, str] = {}
        self.ids: list[str] = []
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids += [values["id"]] if "id" in values else []
        self._open = values.get("href", "") if tag == "a" else self._open

    def handle_data(self, data):
        if self._open:
            self.links[data] = unquote(self._open)

    def handle_endtag(self, tag):
        self._open = "" if tag == "a" else self._open


def test_a_reader_of_the_demo_learns_what_was_asked_on_which_data_and_what_came_out():
    text = text_of(front_page())
    for words in (
        "diagnose 25 phenotypes", "No patient exists: the data are synthetic", "680 + 680 stays",
        "1 of 4 reproduced", "1 not reproduced, 2 not decidable. In print 2 hold, 1 are contradicted",
        "micro F1 0.700 ClinRaGen on MIMIC-III; paper 0.640",
        "F1 0.52 → 0.05", "Each model is trained with 5 seeds", "MIMIC-III 680 494 52 134",
        "MIMIC-IV 680 hidden 52 hidden",
        "make open-demo", "tiny language model A model with random initial weights",
    ):  # fmt: skip
        assert words in text, words


def test_a_hidden_number_is_explained_where_there_is_one():
    rule = "hidden replaces a number that describes 1 to 10 patients"
    assert rule in text_of(front_page())
    assert rule not in text_of(front_page(datasets={"MIMIC-III": attrition()}))


def test_values_link_to_their_lineage_and_names_to_their_pages():
    links = Links(front_page()).links
    assert links["0.4000"] == "audit/lineage.html#tables/table2.csv/MIMIC-III/w/o LAB&KNOW"
    assert links["0.7000"] == "audit/lineage.html#tables/table1.csv/MIMIC-III/ClinRaGen"
    assert links["0.5200"] == "audit/lineage.html#tables/planted.csv"
    assert links["494"] == "audit/lineage.html#mimic3/benchmark/attrition.csv"
    assert links["w/o LAB&KNOW"] == "tables/table2.html" and links["1 of 4 reproduced"] == "tables/claims.html"
    assert links["Lineage"] in ("audit/lineage.html", "audit/lineage.html#site/example-mimic3.json")


def test_the_case_has_note_captions_curves_both_rationales_and_both_diagnoses():
    case = section_of(front_page(), "one-case")
    seen = text_of("<body>" + case)
    order = ["The note", "The labs, in captions", "The teacher wrote this.", "The student wrote this.",
             "True diagnoses", "Conduction disorders Shock", "The student’s diagnoses", "Shock right",
             "Pneumonia wrong", "Conduction disorders missed"]  # fmt: skip
    places = [seen.index(words) for words in order]
    assert places == sorted(places)
    assert "among the 20 compared stays" in seen and "median F1 (0.80)" in seen and "None from the labs." in seen
    assert case.count("<svg") == 2 and "1 others are normal" not in seen and "1 other is normal" in seen
    assert "<script>alert" not in case and "&lt;script&gt;alert(1)" in case
    assert case.index("Glucose</b>") < case.index("<details>") < case.index("pH</b>")


def test_below_the_case_are_the_whole_run_and_a_case_that_the_student_gets_wrong():
    case = section_of(front_page(), "one-case")
    seen = text_of("<body>" + case)
    assert "of 134 test stays, the diagnoses are exactly right in 47. The student’s output is cut" in seen
    assert "the length limit in 50, and has no rationale from the labs in 45" in seen
    assert "Not stated: Glucose higher" in seen and "words are among them" in seen
    assert "gets wrong" not in seen and "on this page" not in seen
    wrong = {
        "fitting": None,
        "wrong": CASE | {"note": [["A wrong one.", ""]]},
        "run": EXAMPLE.facts["run"] | {"no_labs": None},
    }
    other = section_of(front_page(example=Example(EXAMPLE.path, EXAMPLE.facts | wrong)), "one-case")
    assert other.index("A case that the student gets wrong") < other.index("A wrong one.")
    assert "computed on this page" in other and "among the compared stays" in " ".join(other.split())


def test_every_system_of_tables_1_and_2_is_explained():
    scores = text_of("<body>" + section_of(front_page(), "scores"))
    meant = scores.split("What the names of the systems mean")[1]
    for name in (
        "w/o LAB&amp;KNOW",
        "w/o KNOW",
        "w/o REASONING",
        "-w/ TSE",
        "-w/o TSE",
        "LLM Zero-shot",
        "PROMPTEHR",
        "ClinRaGen*",
    ):
        assert name in meant, name


def test_of_real_data_no_case_is_shown_but_the_place_of_the_restricted_pages():
    page = front_page(**KINDS["real"])
    text = text_of(page)
    assert "mimic3/evaluate/figure7.html" in text and "People with access to MIMIC" in text
    assert 'href="mimic3/evaluate/figure7.html' not in page and "wrote this" not in text
    assert "make release TREE=paper" in text and "make open-demo" not in text and "Stand-ins" not in text


def test_every_stand_in_of_the_workflow_is_explained():
    calls = "\n".join(
        path.read_text(encoding="utf-8") for path in (Path(__file__).parents[2] / "scripts").rglob("*.py")
    )
    labels = {label.replace("{TITLES[dataset]}", "MIMIC-IV") for label in re.findall(r'stand_in\(f?"([^"]+)"', calls)}
    labels.add("template LLM")
    assert len(labels) >= 8
    assert "Replaces a part" in front_page(stand_ins=["another"])
    assert "Replaces a part" not in front_page(stand_ins=sorted(labels))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_has_a_whole_page(kind):
    page = front_page(**KINDS[kind])
    found = Links(page)
    assert len(found.ids) == len(set(found.ids))
    for anchor in re.findall(r'href="#([^"]+)"', page):
        assert anchor in found.ids, anchor
    assert not re.search(r"\bNone\b(?! from the)|undefined|\{\{", text_of(page))
    assert not re.search(r"https?:|src=|@import|url\(", page)
    pages = {each.path for each in KINDS[kind].get("pages", PAGES)}
    assert {href.split("#")[0] for href in found.links.values() if ".html" in href} <= pages | {
        "audit/lineage.html",
        "",
    }


def test_pieces_that_a_run_lacks_are_named_with_what_makes_them():
    text = text_of(front_page(**KINDS["nothing yet"]))
    assert "0 of 0 reproduced" in text and "No score yet" in text and "This run has no scores yet" in text
    assert "Not tested" in text and "make planted" in text and "This run has no case to show" in text
    asked = text_of(front_page(**KINDS["no student"]))
    assert "asked high" in asked and "Each model is trained" not in asked


def test_claims_that_cannot_be_decided_are_not_counted_as_not_reproduced():
    answers = [("holds in print", "not decidable")] * 2 + [("contradicted in print", "not decidable")]
    text = text_of(front_page(claims=claims(*answers)))
    assert "In print 2 of 3 hold and 1 are contradicted. By our values: none decided (stand-ins)" in text
    assert "none decided (stand-ins)" not in text_of(front_page(claims=claims(*answers), stand_ins=[]))
    assert "0 of 3 reproduced" not in text


def test_all_pages_are_listed_by_section_with_their_files_and_headings():
    listed = section_of(front_page(), "all-pages")
    places = [listed.index(f'<h3 id="part-{name}">') for name in ("claims", "tables", "data", "audit")]
    assert places == sorted(places) and 'id="part-figures"' not in listed
    found = Links(listed).links
    assert found["table1.csv"] == "tables/table1.csv" and found["Lengths"] == "mimic3/benchmark/card.html#l"
    assert found["MIMIC-III"] == "tables/table1.html" and "Samples &lt;b&gt;." in listed
    audit = text_of("<body>" + listed)
    row = "dataset=MIMIC-III,model=ClinRaGen,metric=micro_f1:ours_mean"
    assert f"scripts/trace.py 'results/demo/tables/table1.csv#{row}'" in listed
    for command in ("scripts/trace.py results/demo --verify --root r00t", "make release TREE=demo", "r00t"):
        assert command in audit


def test_the_source_follows_from_the_labels():
    assert source_of(SYNTHETIC) == "synthetic" and source_of(["tiny language model"]) == source_of([]) == "real"
    assert source_of(["open demo cohort of MIMIC-III (100 patients)", "synthetic notes"]) == "open"


def test_a_private_place_is_not_shown():
    assert shown_tree(Path("results/demo")) == "results/demo" and shown_tree(Path("/home/jane/paper")) == "paper"
    page = front_page(tree=Path("/home/jane/paper"))
    assert "jane" not in page and "python scripts/release.py paper" in page


def test_the_first_example_with_a_case_is_shown_and_restricted_ones_are_named(tmp_path):
    contents = [
        {"restricted": "mimic3/evaluate/figure7.html"}, EXAMPLE.facts | {"case": None}, EXAMPLE.facts, EXAMPLE.facts,
    ]  # fmt: skip
    files = []
    for number, facts in enumerate(contents):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(facts), encoding="utf-8")
    assert read_examples(files, tmp_path) == (Example("2.json", EXAMPLE.facts), ["mimic3/evaluate/figure7.html"])
    assert read_examples(files[:2], tmp_path)[0] is None and read_examples([], tmp_path) == (None, [])
    files[0].write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"0\.json: not JSON"):
        read_examples(files, tmp_path)
