"""What is wrong with the pages of a results tree in a browser: links, scripts, requests, layout, contrast, markup.

As a program, it prints those of a tree, or of some of its pages: python tests/site_check.py results/demo [PAGE ...]
"""

import sys
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from browser import Browser

WIDTHS = (375, 768, 1280)
CHECKS = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
SNAKEMAKES_OWN = "report.html"
FAILURES = ("Runtime.exceptionThrown", "Log.entryAdded", "Network.loadingFailed")


@dataclass(frozen=True)
class Page:
    """A page as the browser has shown it: the targets of its links, the places in it, and its problems."""

    links: list[str]
    places: set[str]
    problems: list[str]


def problems_of_site(tree: Path, browser: Browser, only: Collection[str] = ()) -> list[str]:
    """Return a line for each problem of the HTML pages below a directory, or of `only` these, by path in it."""
    for domain in ("Runtime", "Log", "Network"):
        browser.send(f"{domain}.enable")
    names = (path.relative_to(tree).as_posix() for path in sorted(tree.rglob("*.html")))
    chosen = [name for name in names if name in only or (not only and name != SNAKEMAKES_OWN)]
    pages = {tree / name: _seen(tree / name, browser) for name in chosen}
    places = {path.resolve(): page.places for path, page in pages.items()}
    return [
        f"{path.relative_to(tree)}: {problem}"
        for path, page in pages.items()
        for problem in (*page.problems, *_problems_of_links(path, page.links, places))
    ]


def _seen(path: Path, browser: Browser) -> Page:
    """Look at a page with everything unfolded, on all screens, by day and by night."""
    browser.events.clear()
    browser.open(path, WIDTHS[-1])
    browser.run(f"{CHECKS}; unfold()")
    problems = browser.run("markup()")
    for width in WIDTHS:
        browser.shown_as(width)
        problems += [f"at {width} px: {problem}" for problem in browser.run("settled().then(layout)")]
    for scheme in ("light", "dark"):
        browser.shown_as(WIDTHS[-1], dark=scheme == "dark")
        problems += [f"{scheme}: {problem}" for problem in browser.run("settled().then(contrast)")]
    problems += filter(None, map(_problem_of_event, browser.events))
    return Page(browser.run("links()"), set(browser.run("all('[id]').map(e => e.id)")), problems)


def _problem_of_event(event: dict[str, Any]) -> str:
    """Return what is wrong if the browser reports an error, or a request for anything else than a file."""
    method, facts = event.get("method"), event.get("params", {})
    if method in FAILURES:
        return f"{method}: {facts}"
    requested = facts["request"]["url"] if method == "Network.requestWillBeSent" else "about:blank"
    return "" if urlsplit(requested).scheme in ("file", "data", "about") else f"request to {requested}"


def _problems_of_links(page: Path, links: list[str], places: dict[Path, set[str]]) -> Iterator[str]:
    """Yield the links that lead nowhere; links to the web are not followed."""
    for link in links:
        parts = urlsplit(link)
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page.resolve()
        if parts.scheme:
            if parts.scheme not in ("https", "data"):
                yield f"link of another kind: {link}"
        elif not target.exists():
            yield f"link to a missing file: {link}"
        elif parts.fragment and target in places and unquote(parts.fragment) not in places[target]:
            yield f"link to a missing place: {link}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, Browser(Path(profile)) as opened:
        print("\n".join(problems_of_site(Path(sys.argv[1]), opened, sys.argv[2:])))
