"""An auditor doubts a claim: back to a raw file in clicks, and in one command; then one byte of that file changes."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from demo import RESULTS
from reader import Reader

pytestmark = pytest.mark.slow

CLAIM = "labs-help"
# What the auditor clicks, from the row of the claim to a file of MIMIC: each is an input of the one before.
TRAIL = (
    "tables/intervals.csv",
    "mimic3/evaluate/clinragen/seed1/predictions.parquet",
    "mimic3/benchmark/series_test.arrow",
    "mimic3/extract/events.parquet",
    "mimic3/raw/CHARTEVENTS.csv.gz",
)
RAW = RESULTS / TRAIL[-1]


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_from_a_claim_to_a_raw_file_in_clicks(demo, tmp_path):
    with Browser(tmp_path) as browser:
        browser.open(demo.checkout / RESULTS / "tables/claims.html")
        value = f"document.querySelector('a[href$=\"#tables/claims.csv/{CLAIM}\"]')"
        assert re.fullmatch(r"[-−]?\d\.\d+", browser.run(f"{value}.innerText"))
        browser.click(value)
        browser.wait(lambda: is_at(browser, f"tables/claims.csv/{CLAIM}"))
        assert browser.run("location.pathname").endswith("audit/lineage.html")
        for name in TRAIL:
            follow(browser, name)
        # The section says how the file was made and what its hash is; its title opens it.
        assert "demo_raw" in browser.run(f"{place(TRAIL[-1])}.innerText")
        assert browser.run(f"{place(TRAIL[-1])}.querySelector('h3 a').href") == (demo.checkout / RAW).as_uri()


def place(name: str) -> str:
    """The element of the page with this name, as an expression."""
    return f"document.getElementById({json.dumps(name)})"


def is_at(browser: Browser, name: str) -> bool:
    """Whether a place of the page is what the last click led to, and on the screen."""
    on_screen = f"{place(name)}.checkVisibility() && {place(name)}.getBoundingClientRect().top < innerHeight"
    return browser.run(f"decodeURIComponent(location.hash) === {json.dumps('#' + name)} && {on_screen}")


def follow(browser: Browser, name: str) -> None:
    """Click an input of what is on the screen; the list of inputs is unfolded first where it is folded."""
    here = "document.getElementById(decodeURIComponent(location.hash).slice(1))"
    browser.run(f"{here}.querySelectorAll('details:not([open]) > summary').forEach(s => s.click())")
    link = f"[...{here}.querySelectorAll('a')].find(a => a.innerText === {json.dumps(name)} && a.checkVisibility())"
    browser.wait(lambda: browser.run(f"{link} !== undefined"))
    browser.click(link)
    browser.wait(lambda: is_at(browser, name))


def test_the_same_in_one_command_and_one_altered_byte_is_named(demo_copy):
    auditor = Reader(demo_copy)
    command = f"python scripts/trace.py 'results/demo/tables/claims.csv#id={CLAIM}:value'"
    shown = auditor.types(command, "docs/trace.md", also="--depth all")
    assert re.search(r"^value: -?\d\.\d+$", shown, re.MULTILINE) and "synthetic cohort" in shown
    # Files of one directory are one line, and so are the outputs of one run.
    assert [name for name in TRAIL[1:-1] if name not in shown] == [] and f"{RAW.parent}/  [demo_raw" in shown

    verify = ("python scripts/trace.py results/demo --verify", "docs/verify.md")
    assert "no problems" in auditor.types(*verify)
    with one_byte_altered(demo_copy / RAW):
        status, shown = auditor.tries(verify[0])
    assert status == 1
    assert re.findall(r"^(edited|stale|untracked|missing|corrupt): ([^:\n]+)", shown, re.MULTILINE) == [
        ("edited", f"{RAW}")
    ]


@contextmanager
def one_byte_altered(path: Path) -> Iterator[None]:
    """Change one byte in the middle of a file, and put it back in the end."""
    original = path.read_bytes()
    middle = len(original) // 2
    path.write_bytes(original[:middle] + bytes([original[middle] ^ 1]) + original[middle + 1 :])
    try:
        yield
    finally:
        path.write_bytes(original)
