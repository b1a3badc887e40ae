"""The pages in a real browser: on a small screen, in the dark, by keyboard and on paper."""

from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from page_examples import PAGES, ROW, example_tree
from site_check import problems_of_site

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    return example_tree(tmp_path_factory)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_sound_by_itself(browser, results, page):
    problems = problems_of_site(results, browser, [PAGES[page]])
    # The other files are not made here; the tests of the demo follow their links.
    assert [problem for problem in problems if ": link to a missing file: ../" not in problem] == []


def test_a_small_screen_shows_every_score(browser, results):
    browser.open(results / PAGES["table"], width=375)
    scores = browser.run(
        "[...document.querySelectorAll('td[data-label^=m]')].map(e => "
        "{ const r = e.getBoundingClientRect(); return [r.left, r.right, e.innerText]; })"
    )
    assert len(scores) == 132 and all(0 <= left < right <= 375 for left, right, _ in scores)
    assert scores[0][2].split() == ["0.5962", "(0.0071)", "0.5712", "to", "0.6112", "paper", "0.5812"]
    top = browser.run("document.querySelector('td[data-label^=m]').getBoundingClientRect().top")
    assert top < 800, "the first one without scrolling"


@pytest.mark.parametrize("page", PAGES)
def test_in_dark_mode_text_is_light_on_a_dark_background(browser, results, page):
    def brightness(what: str) -> float:
        color = browser.run(f"getComputedStyle(document.body).{what}")
        return sum(map(int, color.removeprefix("rgb(").removesuffix(")").split(", "))) / 3

    browser.open(results / PAGES[page], dark=True)
    assert brightness("backgroundColor") < 50 and brightness("color") > 200
    browser.open(results / PAGES[page])
    assert brightness("backgroundColor") > 200 and brightness("color") < 50


@pytest.mark.parametrize("width", [375, 1280])
def test_a_value_leads_to_its_row_in_the_lineage(browser, results, width):
    browser.open(results / PAGES["table"], width=width)
    browser.click("document.querySelector('a[href$=\"MIMIC-III/ClinRaGen\"]')")
    browser.wait(lambda: browser.run("document.title === 'Lineage' && document.readyState === 'complete'"))
    place, top, bottom = browser.run(
        "(e => [e.id, e.getBoundingClientRect().top, e.getBoundingClientRect().bottom])"
        "(document.querySelector(':target'))"
    )
    assert place == ROW and top >= 0 and bottom <= 800, "the whole row is on the screen"


def test_the_head_of_a_page_says_what_it_shows_and_where_its_data_are(browser, results):
    browser.open(results / PAGES["card"])
    tags = "[...document.head.querySelectorAll('[name=section], [name=description], link')]"
    of_head = f"{tags}.map(e => e.content ?? e.getAttribute('href'))"
    section, lead, *data = browser.run(of_head)
    assert (section, lead) == ("Data", "What the samples of MIMIC-III are like before any model reads them.")
    assert data[0] == "../../mimic3/benchmark/attrition.csv" and len(data) == 5
    links = browser.run("[...document.querySelectorAll('header a')].map(e => e.getAttribute('href'))")
    lineage = [f"../../audit/lineage.html#{path.removeprefix('../../')}" for path in data]
    assert links == ["../../index.html", *(link for pair in zip(data, lineage, strict=True) for link in pair)]
    trail = browser.run("document.querySelector('header nav').innerText")
    assert trail.split("\n") == ["Results", "Data", "Data card: MIMIC-III"]


def test_the_first_stop_of_the_tabulator_key_skips_to_the_content(browser, results):
    browser.open(results / PAGES["table"])
    browser.key("Tab")
    place = "e.getBoundingClientRect().left >= 0"
    focused = f"(e => [e.className, {place}, getComputedStyle(e).outlineStyle])(document.activeElement)"
    assert browser.run(focused) == ["skip", True, "solid"]
    browser.key("Enter")
    browser.wait(lambda: browser.run("document.activeElement.id === 'main'"))
    browser.key("Tab")
    assert browser.run("document.activeElement.closest('main') !== null")


def test_only_tables_that_are_wider_than_the_screen_stop_the_tabulator_key(browser, results):
    stops = "[...document.querySelectorAll('.wide')].map(e => [e.tabIndex, e.role, e.scrollWidth > e.clientWidth])"
    for width, some in ((1280, False), (375, True)):
        browser.open(results / PAGES["card"], width=width)
        browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        found = browser.run(stops)
        assert any(scrolls for *_, scrolls in found) == some
        assert all(stop == ([0, "region"] if scrolls else [-1, "group"]) for *stop, scrolls in found)


def test_rows_are_named_by_their_first_cell(browser, results):
    browser.open(results / PAGES["table"])
    rows = browser.run(
        "[...document.querySelectorAll('tbody tr')].map(e => [...e.children].map(c => c.tagName + (c.scope ?? '')))"
    )
    assert rows and all(row[0] == "THrow" and set(row[1:]) == {"TD"} for row in rows)


def test_print_leaves_out_what_cannot_be_clicked_on_paper(browser, results):
    browser.open(results / PAGES["card"], dark=True)
    browser.send("Emulation.setEmulatedMedia", media="print")
    hidden = "[...document.querySelectorAll('nav, .skip, footer')].filter(e => e.checkVisibility()).length"
    assert browser.run(hidden) == 0
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
