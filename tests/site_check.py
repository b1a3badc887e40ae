"""What is wrong with the pages of a results tree, as a browser shows them: links, scripts, requests, layout, contrast, markup.

Run as a program, it prints the problems of a tree: python tests/site_check.py results/demo [PAGE ...]
"""

import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from browser import Browser

WIDTHS = (375, 768, 1280)
NOT_OURS = ("report.html",)  # Snakemake's
FAILURES = ("Runtime.exceptionThrown", "Log.entryAdded", "Network.loadingFailed")

MARKUP = """(() => {
  const all = selector => [...document.querySelectorAll(selector)];
  const start = element => element.outerHTML.replace(/\\s+/g, " ").slice(0, 120);
  const problems = [];
  const report = (problem, elements) => { for (const e of elements) problems.push(`${problem}: ${start(e)}`); };
  const named = e => (e.getAttribute("aria-label") || e.innerText || e.querySelector("img")?.alt || "").trim();
  const ids = all("[id]").map(e => e.id);
  for (const id of new Set(ids.filter((id, n) => ids.indexOf(id) !== n))) problems.push(`id is not unique: ${id}`);
  if (!document.documentElement.lang) problems.push("no language");
  if (!document.title.trim()) problems.push("no title");
  if (all("main").length !== 1) problems.push(`${all("main").length} main elements`);
  const shown = e => e.checkVisibility();
  const headings = all("h1, h2, h3, h4, h5, h6").filter(shown), level = e => Number(e.tagName[1]);
  if (headings.filter(e => level(e) === 1).length !== 1) problems.push("not one h1");
  report("heading skips a level", headings.filter((e, n) => level(e) > (n ? level(headings[n - 1]) : 0) + 1));
  report("picture without text", all("img:not([alt]), img[alt=''], svg:not([aria-label], [aria-hidden])"));
  report("link or button without text", all("a[href], button, summary").filter(shown).filter(e => !named(e)));
  report("column without title", all("th").filter(shown).filter(e => !e.innerText.trim()));
  report("navigation without name", all("nav:not([aria-label])"));
  report("list with another child than li", all("ul > :not(li), ol > :not(li)"));
  const labelled = e => e.labels?.length || e.getAttribute("aria-label") || e.getAttribute("aria-labelledby");
  report("field without label", all("input, select, textarea").filter(shown).filter(e => !labelled(e)));
  return problems;
})()"""

LAYOUT = """(() => {
  const all = [...document.querySelectorAll("body *")].filter(e => e.checkVisibility());
  const start = element => element.outerHTML.replace(/\\s+/g, " ").slice(0, 120);
  const wide = document.documentElement.scrollWidth;
  const problems = wide > innerWidth ? [`scrolls sideways: ${wide} px`] : [];
  const scrolls = e => ["auto", "scroll"].includes(getComputedStyle(e).overflowX);
  const scroller = e => { while (e && !scrolls(e)) e = e.parentElement; return e; };
  for (const e of all) {
    const box = e.getBoundingClientRect();
    if (box.right > innerWidth + 1 && box.left < innerWidth * 9 && !scroller(e)) problems.push(`out of reach: ${start(e)}`);
    if (e.scrollWidth > e.clientWidth + 1 && scrolls(e) && !(e.tabIndex >= 0 && e.getAttribute("aria-label")))
      problems.push(`scrolls, but not by keyboard, or has no name: ${start(e)}`);
  }
  return problems;
})()"""

# Colors as in WCAG 2.2, relative luminance and contrast ratio; level AA.
CONTRAST = """(() => {
  const numbers = color => { const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = ([r, g, b, a], below) => [r, g, b].map((v, n) => a * v + (1 - a) * below[n]);
  const linear = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const grounds = new Map();
  const ground = e => {
    if (!e) return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
    if (!grounds.has(e)) grounds.set(e, over(numbers(getComputedStyle(e).backgroundColor), ground(e.parentElement)));
    return grounds.get(e);
  };
  const problems = new Set();
  for (const e of document.querySelectorAll("body, body *")) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility({visibilityProperty: true})) continue;
    if (["SCRIPT", "STYLE", "NOSCRIPT"].includes(e.tagName) || e.disabled) continue;
    const style = getComputedStyle(e), size = parseFloat(style.fontSize), below = ground(e);
    const text = luminance(over(numbers(e instanceof SVGElement ? style.fill : style.color), below)), back = luminance(below);
    const ratio = (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);
    const least = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    if (ratio < least) problems.add(`contrast ${ratio.toFixed(2)}: <${e.tagName.toLowerCase()} class="${e.getAttribute("class") ?? ""}"> ${e.textContent.trim().slice(0, 40)}`);
  }
  return [...problems];
})()"""

LINKS = """({ids: [...document.querySelectorAll("[id]")].map(e => e.id), targets: [...new Set(
  [...document.querySelectorAll("a[href], link[href], img[src]")].map(e => e.getAttribute("href") ?? e.getAttribute("src")))]})"""


def problems_of_site(tree: Path, browser: Browser, pages: list[Path] | None = None) -> list[str]:
    """Return a line for each problem of the HTML pages below a directory: page, where it shows, what is wrong.

    `pages` limits which pages are looked at; links from them may lead to any file.
    """
    for domain in ("Runtime", "Log", "Network"):
        browser.send(f"{domain}.enable")
    every = [page for page in sorted(tree.rglob("*.html")) if page.relative_to(tree).as_posix() not in NOT_OURS]
    problems: list[str] = []
    ids: dict[Path, set[str]] = {}
    links: dict[Path, list[str]] = {}
    for page in every if pages is None else pages:
        name = page.relative_to(tree)
        problems += [f"{name}: {problem}" for problem in _problems_of_page(page, browser)]
        seen = browser.run(LINKS)
        ids[page.resolve()], links[page] = set(seen["ids"]), seen["targets"]
    for page, targets in links.items():
        for target in targets:
            if problem := _problem_of_link(page, target, ids):
                problems.append(f"{page.relative_to(tree)}: {problem}: {target}")
    return problems


def _problems_of_page(page: Path, browser: Browser) -> list[str]:
    """Return the problems of a page by itself, with everything unfolded."""
    browser.events.clear()
    browser.open(page, WIDTHS[-1])
    browser.run("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    problems = browser.run(MARKUP)
    for width in WIDTHS:
        browser.shown_as(width)
        browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        problems += [f"at {width} px: {problem}" for problem in browser.run(LAYOUT)]
    for scheme in ("light", "dark"):
        browser.shown_as(WIDTHS[-1], dark=scheme == "dark")
        problems += [f"{scheme}: {problem}" for problem in browser.run(CONTRAST)]
    return problems + [problem for event in browser.events if (problem := _problem_of_event(event))]


def _problem_of_event(event: dict[str, Any]) -> str:
    """Return what is wrong if the browser reports an error, or a request for anything else than a file."""
    method, parameters = event.get("method"), event.get("params", {})
    if method in FAILURES:
        return f"{method}: {parameters}"
    if method == "Network.requestWillBeSent":
        url = parameters["request"]["url"]
        return "" if url.split(":")[0] in ("file", "data", "about") else f"request: {url}"
    return ""


def _problem_of_link(page: Path, target: str, ids: dict[Path, set[str]]) -> str:
    """Return what is wrong with a link in a page; links to the web are not followed."""
    parts = urlsplit(target)
    if parts.scheme:
        return "" if parts.scheme in ("https", "data") else "link of another kind"
    path = (page.parent / unquote(parts.path)).resolve() if parts.path else page.resolve()
    if not path.exists():
        return "broken link"
    if parts.fragment and path in ids and unquote(parts.fragment) not in ids[path]:
        return "link to a missing place"
    return ""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, Browser(Path(profile)) as opened:
        chosen = [Path(sys.argv[1]) / name for name in sys.argv[2:]] or None
        print("\n".join(problems_of_site(Path(sys.argv[1]), opened, chosen)))
