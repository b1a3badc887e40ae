"""The check of the pages finds each fault that it looks for, and nothing in a sound page."""

import pytest
from browser import CHROMIUM, Browser
from site_check import problems_of_site

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
SOUND = f"""<!DOCTYPE html>
<html lang="en"><head><title>Sound</title><meta name="viewport" content="width=device-width">
<style>:root {{ color-scheme: light dark }}</style></head>
<body><main><h1>Sound</h1><h2>Part</h2><p>Text, <a href="other.html#place">a link</a>, <a href="#here">here</a>,
<a href="https://example.org/">the web</a>.<i id="here"></i></p>
<details><summary>more</summary><img alt="dot" src="{DOT}"></details>ADDED</main></body></html>"""
FAULTS = {
    "missing file": ("<a href='no%20such.csv'>x</a>", "link to a missing file: no%20such.csv"),
    "missing place": ("<a href='other.html#no'>x</a>", "link to a missing place: other.html#no"),
    "missing place here": ("<a href='#no'>x</a>", "link to a missing place: #no"),
    "another kind": ("<a href='file:///etc/passwd'>x</a>", "link of another kind: file:///etc/passwd"),
    "error of a script": ("<script>missing()</script>", "Runtime.exceptionThrown"),
    "request": ("<script src='http://example.org/x.js'></script>", "request to http://example.org/x.js"),
    "missing picture": ("<img alt='x' src='no.png'>", "link to a missing file: no.png"),
    "wide": ("<p style='width: 900px'>x</p>", "at 768 px: scrolls sideways"),
    "cut off": ("<div style='overflow: hidden'><p style='width: 400px'>x</p></div>", "at 375 px: out of reach: <p"),
    "scrolls by mouse alone": (
        "<div aria-label='x' style='overflow-x: auto'><p style='width: 900px'>x</p></div>",
        "at 768 px: scrolls, but not by keyboard, or has no name: <div",
    ),
    "scrolls without name": (
        "<div tabindex=0 style='overflow-x: auto'><p style='width: 900px'>x</p></div>",
        "at 768 px: scrolls, but not by keyboard, or has no name: <div",
    ),
    "faint": ("<p style='color: #777'>x</p>", "light: contrast 4.48: <p"),
    "faint on a ground": (
        "<div style='background: #0008'><p style='color: #444'>x</p></div>",
        "light: contrast 2.1",
    ),
    "faint in the dark": (
        "<style>@media (prefers-color-scheme: dark) { h1 { color: #444 } }</style>",
        "dark: contrast 1.92: <h1",
    ),
    "faint when unfolded": (
        "<details><summary>s</summary><p style='color: #ccc'>x</p></details>",
        "light: contrast 1.6",
    ),
    "faint picture": ("<svg aria-label='x'><text y='9' fill='#aaa'>x</text></svg>", "light: contrast 2.3"),
    "the same id": ("<i id='a'></i><i id='a'></i>", "id is not unique: a"),
    "second h1": ("<h1>x</h1>", "not one h1"),
    "skipped level": ("<h4>x</h4>", "heading skips a level: <h4>"),
    "picture without text": ("<svg></svg>", "picture without text: <svg"),
    "link without text": ("<a href='other.html'><i></i></a>", "link or button without text: <a"),
    "column without title": ("<table><tr><th></th></tr></table>", "column without title: <th>"),
    "navigation": ("<nav>x</nav>", "navigation without name: <nav>"),
    "list": ("<ul><p>x</p></ul>", "list with another child than li: <p>"),
    "field": ("<input>", "field without label: <input>"),
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def write(tree, added: str = "") -> None:
    (tree / "page.html").write_text(SOUND.replace("ADDED", added), encoding="utf-8")
    other = SOUND.replace("ADDED", "<i id='place'></i>")
    (tree / "other.html").write_text(other, encoding="utf-8")
    (tree / "report.html").write_text("<p>Snakemake's", encoding="utf-8")


def test_a_sound_page_has_no_problem(browser, tmp_path):
    write(tmp_path)
    assert problems_of_site(tmp_path, browser) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_reported_with_its_page(browser, tmp_path, fault):
    added, reported = FAULTS[fault]
    write(tmp_path, added)
    problems = problems_of_site(tmp_path, browser)
    assert any(problem.startswith(f"page.html: {reported}") for problem in problems), problems
    assert not [problem for problem in problems if not problem.startswith("page.html: ")]


def test_only_the_named_pages_are_looked_at(browser, tmp_path):
    write(tmp_path, "<h1>x</h1>")
    assert problems_of_site(tmp_path, browser, ["other.html"]) == []
