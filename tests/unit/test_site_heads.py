"""The front page lists pages by what their heads say."""

import pytest
from pages import card

from clinragen.errors import UserError
from clinragen.site.heads import SECTIONS, Heading, Page, by_section, read_page

HEAD = """<!DOCTYPE html><html><head><title>Rare &amp; {title}</title><meta name="section" content="{section}">
<meta name="description" content="What it &quot;shows&quot;.">
<link rel="alternate" type="text/csv" href="../tables/a%20b.csv">
<link rel="alternate" type="text/csv" href="c.csv"></head><body><main>"""


def write(tmp_path, text, path="tables/x.html"):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_title_section_lead_files_and_headings_are_read(tmp_path):
    body = """<h1>no</h1><section id="one"><h2>First
    <em>one</em></h2><p>no</p><h2 id="two">Second</h2><h2>Third</h2></section><svg><title>no</title></svg>"""
    page = read_page(write(tmp_path, HEAD.format(title="x", section="Data") + body), tmp_path)
    assert page == Page(
        "tables/x.html", "Rare & x", "Data", 'What it "shows".', ["tables/a b.csv", "tables/c.csv"],
        [Heading("First one", "one"), Heading("Second", "two"), Heading("Third", "")],
    )  # fmt: skip


@pytest.mark.parametrize("head", [HEAD.format(title="x", section="Fun"), "<title>x</title>", "<p>x</p>"])
def test_a_page_without_title_or_section_is_an_error_with_its_remedy(tmp_path, head):
    with pytest.raises(UserError, match=r"x\.html: title .*expected a title and one of Claims, .*its template"):
        read_page(write(tmp_path, head), tmp_path)


def test_a_real_page_is_read_with_the_files_that_it_names(tmp_path):
    page = read_page(write(tmp_path, card(), "mimic3/benchmark/card.html"), tmp_path)
    assert page.section == "Data" and "mimic3/benchmark/attrition.csv" in page.files
    assert Heading("Attrition", "attrition") in page.headings and page.lead


def test_pages_are_grouped_by_section_in_one_order_without_empty_ones():
    pages = [Page(f"{n}.html", "", section, "") for n, section in enumerate(["Audit", "Data", "Claims", "Data"])]
    found = by_section(pages)
    assert list(found) == ["Claims", "Data", "Audit"] == [name for name in SECTIONS if name in found]
    assert [page.path for page in found["Data"]] == ["1.html", "3.html"]
