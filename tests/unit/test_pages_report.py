"""The pages inside Snakemake's report, which embeds them as data: their links, and where nothing can follow them."""

import base64
import json
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from page_examples import PAGES, PHASE3, ROW, example_tree
from raw_folders import RESOURCES

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    return example_tree(tmp_path_factory)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def embedded(results: Path, page: str, front: str = "") -> Path:
    """A page that shows another one as Snakemake's report does: as data in a frame, below its front text."""
    data = base64.b64encode((results / PAGES[page]).read_bytes()).decode()
    path = results / "report.html"
    frame = f'<iframe src="data:text/html;charset=utf8;base64,{data}" style="width:90%;height:700px"></iframe>'
    script = f"document.querySelector('div').innerHTML = {json.dumps(front)}"
    path.write_text(
        f"<!DOCTYPE html><title>report</title><div></div><script>{script}</script>{frame}", encoding="utf-8"
    )
    return path


def front_text() -> str:
    """What the front text of the report adds to it in HTML."""
    text = (RESOURCES.parent / "docs/captions/workflow.rst").read_text(encoding="utf-8")
    return text.partition(".. raw:: html\n")[2]


@pytest.mark.parametrize(
    ("page", "link", "path"),
    [
        ("table", "td a", f"audit/lineage.html#{ROW.replace('ClinRaGen', 'Flan-T5')}"),
        ("card", "header a", "index.html"),
        ("lineage", "h3 a", "tables/table1.csv"),
    ],
)
def test_a_link_inside_a_report_opens_the_file_next_to_the_report(results, tmp_path, page, link, path):
    with Browser(tmp_path) as browser:
        browser.open(embedded(results, page, front_text()))
        frame = browser.frame()
        browser.wait(lambda: browser.run("document.querySelector('#embedded span').hidden", frame))
        assert "in a new tab" in browser.run("document.getElementById('embedded').innerText", frame)
        browser.press(f"document.querySelector('{link}')", frame)
        browser.wait(lambda: (results / path).as_uri().replace("%23", "#") in browser.tabs())


def test_a_report_opens_no_file_outside_its_directory(results, tmp_path):
    with Browser(tmp_path) as browser:
        browser.open(embedded(results, "table", front_text()))
        frame = browser.frame()
        browser.wait(lambda: browser.run("document.querySelector('#embedded span').hidden", frame))
        for path in ("../secret.html", "https://example.org/", "tables/table1.html"):
            browser.run(f"document.querySelector('td a').dataset.path = {json.dumps(path)}", frame)
            browser.press("document.querySelector('td a')", frame)
        browser.wait(lambda: any(url.endswith("table1.html") for url in browser.tabs()))
        assert len(browser.tabs()) == 2


@pytest.mark.parametrize(
    ("page", "link"),
    [
        *(
            ("table", "td a"),
            ("sensitivity", "td a"),
            ("beyond", "td a"),
            ("statistics", "td a"),
            ("judge", "tbody th a"),
        ),
        *(("discussion", "td a"), ("claims", "b a"), ("lineage", "h3 a")),
    ],
)
def test_a_click_inside_a_report_does_not_blank_the_page(browser, results, page, link):
    browser.open(embedded(results, page))
    frame = browser.frame()
    assert browser.run(f"document.getElementById('embedded').innerText.includes('{PAGES[page]}')", frame)
    browser.click(f"document.querySelector('{link}')", frame)
    # A link inside the page is followed after the first link had time to load.
    browser.run("new Promise(done => setTimeout(done, 500))")
    assert browser.run("[location.protocol, document.querySelectorAll('h1').length]", browser.frame()) == ["data:", 1]


def test_links_inside_the_lineage_work_inside_a_report(browser, results):
    browser.open(embedded(results, "lineage"))
    frame = browser.frame()
    browser.click("document.querySelector('details[open] li a')", frame)
    browser.wait(lambda: browser.run("document.querySelector(':target') !== null", frame))
    assert browser.run("document.querySelector(':target').id", frame) == f"{PHASE3}/1"


def test_outside_of_a_report_the_notice_is_hidden(browser, results):
    for page in ("table", "sensitivity", "beyond", "statistics", "judge", "discussion", "claims", "lineage"):
        browser.open(results / PAGES[page])
        assert browser.run("document.getElementById('embedded').checkVisibility()") is False
        assert browser.run("document.querySelectorAll('a.file:not([href])').length") == 0
