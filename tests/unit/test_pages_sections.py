"""Pages of knowledge, costs, figures and trainings in a real browser, and the lineage at the paper's size."""

import time
from pathlib import Path

import knowledge_tables
import pytest
import tiny_tree
from browser import CHROMIUM, Browser
from pages import templates
from site_check import problems_of_site
from unit import test_evaluate_costs_page, test_evaluate_figures_page, test_evaluate_training_page

from clinragen.audit.lineage import lineage_page

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
PAGES = ("knowledge/knowledge.html", "tables/costs.html", "figures/figures.html", "tables/training.html")
RUNS, INPUTS = 700, 10  # outputs of the paper's configuration, and inputs of each


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A results tree with these pages; their lineage and data are empty files."""
    directory = tmp_path_factory.mktemp("tree")
    for name in ("figures", "tables", "knowledge/vocab", "audit"):
        (directory / name).mkdir(parents=True)
    drawings = test_evaluate_figures_page.figures(directory / "figures")
    seeds = [test_evaluate_training_page.course(seed, stage=f"phase{phase}") for phase in (1, 2) for seed in (1, 2)]
    texts = (
        knowledge_tables.page(),
        test_evaluate_costs_page.page(test_evaluate_costs_page.ROWS, ("tiny model",)),
        test_evaluate_figures_page.page(drawings),
        test_evaluate_training_page.page(*seeds),
    )
    for name, text in zip(PAGES, texts, strict=True):
        (directory / name).write_text(text, encoding="utf-8")
    return directory


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_sound_by_itself(browser, tree, page):
    problems = problems_of_site(tree, browser, [page])
    # The tests of the demo follow links to other files.
    assert [problem for problem in problems if ": link to a missing file: " not in problem] == []


def test_a_list_of_key_terms_opens_by_keyboard(browser, tree):
    browser.open(tree / PAGES[0], width=375)
    browser.run("document.querySelector('details.terms summary').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.send(
            "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
        )
    browser.wait(lambda: browser.run("document.querySelector('details.terms').open"))
    assert browser.run("document.querySelector('details.terms td').getBoundingClientRect().left >= 0")


@pytest.mark.parametrize("dark", [False, True])
def test_the_lines_of_a_chart_have_the_colors_of_its_key(browser, tree, dark):
    browser.open(tree / PAGES[3], dark=dark)
    for kind in ("diagnoses", "of-note"):
        key = f"getComputedStyle(document.querySelector('.key .{kind}'), '::before').borderTopColor"
        line = f"getComputedStyle(document.querySelector('.chart polyline.{kind}')).stroke"
        assert browser.run(key) == browser.run(line)


def test_the_lineage_of_the_papers_size_is_small_and_opens_in_seconds(browser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_tree.build()
    outputs = [f"results/x/mimic3/evaluate/model{n // 10}/seed{n % 10}/predictions.parquet" for n in range(RUNS)]
    for number, path in enumerate(outputs):
        inputs = ["results/x/stays", "results/x/model", *outputs[max(0, number - INPUTS) : number]]
        tiny_tree.make(path, "evaluate_predict", inputs)
    start = time.monotonic()
    text = lineage_page([*outputs, "results/x/stays"], "results/x", "beef", templates("lineage"))
    rendered = time.monotonic() - start
    assert len(text) < 10_000_000 and rendered < 60
    Path("lineage.html").write_text(text, encoding="utf-8")
    browser.open(Path("lineage.html"))
    loaded = browser.run("performance.getEntriesByType('navigation')[0].loadEventEnd")
    print(f"{len(text) / 1e6:.1f} MB, made in {rendered:.1f} s, loaded in {loaded / 1000:.1f} s")
    last = outputs[-1].removeprefix("results/x/")
    browser.run(f"location.hash = '#{last}'")
    browser.wait(lambda: browser.run("document.querySelector(':target')?.getBoundingClientRect().top < innerHeight"))
    assert browser.run("document.querySelector(':target').getBoundingClientRect().bottom > 0")
    # Sections away from the screen are not laid out, which takes most of the time of a long page.
    assert browser.run("getComputedStyle(document.querySelector('.output')).contentVisibility") == "auto"
    assert loaded < 15_000
