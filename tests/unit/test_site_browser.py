"""The front page in a real browser: what the first screen shows, and the search."""

import pytest
from browser import CHROMIUM, Browser
from front import KINDS, front_page

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
TOP = "document.querySelector('.case article').getBoundingClientRect().top"
VISIBLE = "[...document.querySelectorAll('{}')].filter(e => e.checkVisibility())"
SHOWN = VISIBLE.format("#pages .page") + ".map(e => e.querySelector('a').textContent)"
HEADINGS = VISIBLE.format(".headings li") + ".map(e => e.textContent.trim())"
PARTS = VISIBLE.format("#pages .part") + ".length"
HITS = "document.getElementById('hits').textContent"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        browser.send("Runtime.enable")
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    directory = tmp_path_factory.mktemp("site")
    for kind, facts in KINDS.items():
        (directory / f"{kind}.html").write_text(front_page(**facts), encoding="utf-8")
    return directory


def press(browser, key: str, text: str = "") -> None:
    for event in ("keyDown", "keyUp"):
        more = {"text": text} if text and event == "keyDown" else {}
        browser.send("Input.dispatchKeyEvent", type=event, key=key, **more)


def search(browser, text: str) -> None:
    browser.run("document.getElementById('search').value = ''")
    browser.run("document.getElementById('search').focus()")
    browser.send("Input.insertText", text=text)


@pytest.mark.parametrize(("width", "height", "screens"), [(1280, 800, 1), (375, 812, 2)])
def test_the_case_begins_within_the_first_screen_or_two_small_ones(browser, pages, width, height, screens):
    browser.open(pages / "demo.html", width, height)
    assert browser.run(TOP) < screens * height - 60


@pytest.mark.parametrize("width", [375, 768, 1280])
@pytest.mark.parametrize("kind", KINDS)
def test_no_page_scrolls_sideways_or_has_an_error(browser, pages, kind, width):
    browser.events.clear()
    browser.open(pages / f"{kind}.html", width)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert [event for event in browser.events if event.get("method") == "Runtime.exceptionThrown"] == []


def test_the_search_looks_at_titles_leads_and_headings(browser, pages):
    browser.open(pages / "demo.html")
    everything = browser.run(SHOWN)
    assert len(everything) == 6 and browser.run(HEADINGS) == [] and browser.run(HITS) == ""
    search(browser, "  TABLE scores ")
    assert browser.run(SHOWN) == ["Table 1: scores"] and browser.run(HITS) == "1 page" and browser.run(PARTS) == 1
    search(browser, "lengths")
    assert browser.run(SHOWN) == ["Data card: MIMIC-III"] and browser.run(HEADINGS) == ["Lengths"]
    search(browser, "mimic")
    assert browser.run(SHOWN) == ["Table 1: scores", "Data card: MIMIC-III"] and browser.run(HEADINGS) == ["MIMIC-III"]
    search(browser, "<b>nowhere")
    assert browser.run(SHOWN) == [] and browser.run(PARTS) == 0
    assert browser.run(HITS) == "No title or heading has “<b>nowhere”."
    search(browser, " ")
    assert browser.run(SHOWN) == everything and browser.run(HITS) == ""


def test_the_keyboard_is_enough_to_find_and_open_a_page(browser, pages):
    browser.open(pages / "demo.html")
    press(browser, "/", "/")
    assert browser.run("document.activeElement.id") == "search" and browser.run("document.activeElement.value") == ""
    browser.send("Input.insertText", text="ablations")
    press(browser, "Enter", "\r")
    assert browser.run("document.activeElement.getAttribute('href')") == "tables/table2.html"


def test_without_scripts_all_pages_are_listed_and_no_dead_search_is_shown(browser, pages):
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(pages / "demo.html")
        assert browser.run("document.querySelector('form.search').hidden")
        assert browser.run("document.querySelectorAll('#pages .page:not([hidden])').length") == 6
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)
