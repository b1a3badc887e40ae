"""A form in a real browser: filled in by keyboard, reloaded, saved, and imported."""

import json
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from pages import TEMPLATES, templates
from study import SCRIPT, SYSTEMS, design, study

from clinragen.evaluate.study.forms import kit_page, study_form, study_key
from clinragen.evaluate.study.responses import Cell, cells_of, read_responses, write_responses

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
FORM = [*templates("study_form"), TEMPLATES / "study_form.css", TEMPLATES / "study_form.js"]
EMPTY = frozenset(("LLaMA2", 200001 + n) for n in range(40))
PLANNED = study(systems=SYSTEMS[:3], empty=EMPTY, note=SCRIPT + " word" * 600, cases=3, raters=2, attention_checks=1)
KEY = study_key(PLANNED)
CELLS = cells_of(KEY.to_pylist(), "R01")
# The typed ratings, one per cell, never the same twice in a row.
TYPED = {cell: 1 + (7 * n + n // 5) % 5 for n, cell in enumerate(CELLS)}
PATIENCE = "new Promise(done => setTimeout(done, 50))"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        for domain in ("Runtime", "Log", "Network"):
            opened.send(f"{domain}.enable")
        yield opened


@pytest.fixture
def page(tmp_path, browser) -> Path:
    """The form of R01 in a fresh directory, with empty browser storage and downloads next to it."""
    path = tmp_path / "form-R01.html"
    path.write_text(study_form(PLANNED, "R01", "MIMIC-III", "folder", FORM), encoding="utf-8")
    browser.open(path)
    browser.run("localStorage.clear()")
    browser.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.open(path)
    browser.events.clear()
    return path


def press(browser: Browser, key: str) -> None:
    """Press and release a key."""
    code = {"Enter": 13, "Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}.get(key)
    pressed = {"key": key, "windowsVirtualKeyCode": code or ord(key)}
    text = {"text": "\r"} if key == "Enter" else {"text": key} if code is None else {}
    browser.send("Input.dispatchKeyEvent", type="keyDown", **pressed, **text)
    browser.send("Input.dispatchKeyEvent", type="keyUp", **pressed)


def focused(browser: Browser) -> str:
    """Return the name of the statement, or the id of the button, in focus."""
    return browser.run("document.activeElement.name || document.activeElement.id")


def reload(browser: Browser) -> None:
    """Reload the page, once the browser has had time to write the storage, which it does after the script has ended."""
    browser.run("new Promise(done => setTimeout(done, 500))")
    browser.run("window.before = true, location.reload()")
    browser.wait(lambda: browser.run("window.before !== true && document.readyState === 'complete'"))


def saved_file(browser: Browser, downloads: Path) -> Path:
    """Save the ratings in the form and wait for the file."""
    browser.click("document.getElementById('export')")
    path = downloads / "responses-R01.csv"
    browser.wait(lambda: path.exists() and path.read_text(encoding="utf-8").endswith("\n"))
    return path


def fill(browser: Browser, cells: list[Cell]) -> None:
    """Type the ratings of these cells, starting at the shown item, and continue after each item."""
    for item in dict.fromkeys(cell[0] for cell in cells):
        own = [cell for cell in cells if cell[0] == item]
        press(browser, "1")  # leads to the first statement and rates nothing
        for cell in own:
            assert focused(browser) == f"R01/{item}/{cell[1]}/{cell[2]}"
            press(browser, str(TYPED[cell]))
        assert focused(browser) == "next"
        press(browser, "Enter")


def trouble(browser: Browser, page: Path) -> list[dict]:
    """Return the messages of console, log and network, except the requests for the form and its download."""
    browser.run(PATIENCE)
    own = ("about:blank", "blob:", page.as_uri())
    found = [e for e in browser.events if e.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled")]
    found += [e for e in browser.events if e.get("method") == "Log.entryAdded"]
    requests = [e["params"]["request"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    return found + [request for request in requests if not request["url"].startswith(own)]


def test_typed_ratings_survive_a_reload_and_are_imported(browser, page):
    press(browser, "Tab")
    browser.run("document.getElementById('next').focus()")
    press(browser, "Enter")
    assert browser.run("document.getElementById('heading').textContent") == "Practice"
    press(browser, "1")
    press(browser, "4")
    assert browser.run("document.querySelector('.why').textContent").startswith("Our answer: 5. Both diagnoses")
    browser.run("document.getElementById('next').focus()")
    press(browser, "Enter")
    half = [cell for cell in CELLS if cell[0] <= 2]
    fill(browser, half)

    reload(browser)
    assert browser.run("document.getElementById('heading').textContent") == "Item 3 of 5"
    assert browser.run("document.getElementById('rated').textContent") == f"{len(half)} of {len(CELLS)} ratings"
    fill(browser, CELLS[len(half) :])
    assert "All ratings are given" in browser.run("document.getElementById('missing').textContent")
    assert browser.run("document.getElementById('progress').position") == 1

    other = page.parent / "responses-R02.csv"
    write_responses(PLANNED.name, "R02", dict.fromkeys(cells_of(KEY.to_pylist(), "R02"), 3), other)
    rows = read_responses([saved_file(browser, page.parent), other], KEY, []).to_pylist()
    read = {(r["item"], r["letter"], r["criterion"]): r["value"] for r in rows if r["rater"] == "R01"}
    assert read == TYPED and len(TYPED) == (3 + 1) * 2 * 5 + 5
    assert trouble(browser, page) == []


def test_requests_and_errors_would_be_seen(browser, page):
    for script in (
        "fetch('https://example.org/')",
        "new Image().src = 'https://example.org/x.png'",
        "console.error(1)",
    ):
        browser.events.clear()
        browser.run(f"{{ {script}; 0 }}")
        assert trouble(browser, page), script


def test_the_form_warns_if_the_browser_stores_nothing(browser, page):
    browser.run(
        "Storage.prototype.setItem = () => { throw new Error('full'); }; document.getElementById('next').click()"
    )
    assert "keeps nothing: save your ratings" in browser.run("document.getElementById('saved').textContent")


def test_arrows_move_and_change_and_digits_elsewhere_rate_nothing(browser, page):
    for _ in range(2):
        browser.run("document.getElementById('next').click()")
    item, letter = next(cell[:2] for cell in CELLS)
    names = [f"R01/{item}/{letter}/{name}" for name in ("correctness", "readability")]
    rating = "document.querySelector('#item input:checked')?.value ?? null"
    press(browser, "5")
    assert focused(browser) == names[0] and browser.run(rating) is None
    press(browser, "ArrowDown")
    assert focused(browser) == names[1] and browser.run(rating) is None
    press(browser, "ArrowUp")
    press(browser, "2")
    press(browser, "ArrowUp")
    press(browser, "ArrowRight")
    assert focused(browser) == names[0] and browser.run(rating) == "3"
    press(browser, "9")
    press(browser, "0")
    assert browser.run(rating) == "3"
    kept = json.loads(browser.run("Object.values(localStorage)[0]"))["ratings"]
    assert kept == {names[0]: 3}


def test_the_focused_rating_is_visible_with_its_statement(browser, page):
    browser.open(page, width=375)
    for _ in range(2):
        browser.run("document.getElementById('next').click()")
    press(browser, "1")
    for _ in range(6):
        top, bottom, header, outline = browser.run(
            "(e => [e.getBoundingClientRect().top, e.getBoundingClientRect().bottom,"
            " document.querySelector('header').getBoundingClientRect().bottom,"
            " getComputedStyle(document.activeElement.closest('label')).outlineStyle])"
            "(document.activeElement.closest('fieldset'))"
        )
        assert header <= top < bottom <= 800 and outline == "solid"
        press(browser, "3")
        if focused(browser) == "next":
            break


def test_a_saved_file_restores_the_ratings_and_others_are_refused(browser, page):
    whole = page.parent / "whole.csv"
    write_responses(PLANNED.name, "R01", TYPED, whole)

    def restore(path: Path) -> str:
        root = browser.send("DOM.getDocument")["root"]["nodeId"]
        node = browser.send("DOM.querySelector", nodeId=root, selector="#restore")["nodeId"]
        browser.run("document.getElementById('message').textContent = ''")
        browser.send("DOM.setFileInputFiles", files=[str(path)], nodeId=node)
        browser.wait(lambda: browser.run("document.getElementById('message').textContent !== ''"))
        return browser.run("document.getElementById('message').textContent")

    other = page.parent / "other.csv"
    for old, new, message in (
        (PLANNED.name, "study-0", "another study"),
        ("R01", "R02", "another rater"),
        ("letter", "x", "not a file that this form has saved"),
    ):
        other.write_text(whole.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        assert message in restore(other)
        assert browser.run("document.getElementById('rated').textContent") == f"0 of {len(CELLS)} ratings"
    # As changed by a spreadsheet.
    text = "\ufeff" + whole.read_text(encoding="utf-8").replace(",", ";").replace("\n", "\r\n")
    other.write_text(text, encoding="utf-8", newline="")
    assert restore(other) == f"{len(CELLS)} ratings restored."
    reload(browser)
    assert saved_file(browser, page.parent).read_text(encoding="utf-8") == whole.read_text(encoding="utf-8")


def test_open_items_are_listed_and_linked(browser, page):
    browser.run("document.getElementById('overview').click()")
    names = browser.run("[...document.querySelectorAll('#open-items button')].map(e => e.textContent)")
    missing = {item: sum(cell[0] == item for cell in CELLS) for item in range(1, 6)}
    assert names == [f"Item {item}: {number} missing" for item, number in missing.items()]
    browser.run("document.querySelectorAll('#open-items button')[3].click()")
    assert browser.run("document.getElementById('heading').textContent") == "Item 4 of 5"
    file = saved_file(browser, page.parent)
    assert f"{len(CELLS)} ratings are still missing" in browser.run("document.getElementById('message').textContent")
    assert file.read_text(encoding="utf-8").count(",,R01/") == len(CELLS)


def test_two_raters_on_one_machine_do_not_share_ratings(browser, page):
    browser.run("document.getElementById('next').click(); document.querySelector('#item input').click()")
    other = page.parent / "form-R02.html"
    other.write_text(study_form(PLANNED, "R02", "MIMIC-III", "folder", FORM), encoding="utf-8")
    browser.open(other)
    assert browser.run("document.getElementById('place').textContent") == "Introduction"


def test_markup_in_a_note_is_shown_as_text(browser, page):
    places = browser.run(
        "[0, 1, 2].map(() => { document.getElementById('next').click();"
        " return document.querySelector('.case p').textContent; })"
    )
    assert any(text.startswith(SCRIPT) for text in places)
    assert browser.run("[window.broken ?? null, document.querySelectorAll('script').length]") == [None, 2]


@pytest.mark.parametrize("width", [375, 1280])
def test_nothing_scrolls_sideways_and_every_button_can_be_hit(browser, page, width):
    browser.open(page, width=width)
    for _ in range(7):
        assert browser.run("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
        small = browser.run(
            "[...document.querySelectorAll('button, .scale label, label.file')].filter(e => e.checkVisibility() &&"
            " (e.getBoundingClientRect().height < 44 || e.getBoundingClientRect().right > innerWidth))"
            ".map(e => e.outerHTML)"
        )
        assert small == []
        browser.run("document.getElementById('next').click()")
    assert trouble(browser, page) == []


def test_every_rating_has_an_accessible_name(browser, page):
    browser.run("document.getElementById('next').click()")
    browser.send("Accessibility.enable")
    nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
    names = [n["name"]["value"] for n in nodes if n["role"].get("value") == "radio"]
    groups = [n["name"]["value"] for n in nodes if n["role"].get("value") == "group"]
    browser.send("Accessibility.disable")
    assert len(names) == 2 * 5 * 5 and {name.replace(" ", "") for name in names[:2]} == {
        "1Stronglydisagree",
        "2Disagree",
    }
    assert sum(name.startswith("Correctness: The text supports") for name in groups) == 2


@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_of_the_kit_does_not_scroll_sideways(browser, tmp_path, width):
    path = tmp_path / "study.html"
    page = kit_page(PLANNED, "MIMIC-III", "folder", design(), ["tiny model"], templates("study_kit"))
    path.write_text(page, encoding="utf-8")
    browser.open(path, width=width)
    assert browser.run("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
