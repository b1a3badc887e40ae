"""The pages in a real browser: on a small screen, in the dark, and inside Snakemake's report."""

import base64
import json
from pathlib import Path

import judge_tree
import numpy as np
import pyarrow as pa
import pytest
import tiny_tree
import yaml
from browser import CHROMIUM, Browser
from pages import PHENOTYPES, VARIABLES, card, statistics, templates
from raw_folders import RESOURCES
from site_check import problems_of_site

from clinragen.audit.lineage import lineage_page
from clinragen.config.evaluate import Bootstrap
from clinragen.config.paper import Configured, TimedJob
from clinragen.evaluate.beyond import CELLS, beyond_page, summarise
from clinragen.evaluate.discussion.page import discussion_page
from clinragen.evaluate.judge.agree import judge_agreement
from clinragen.evaluate.judge.effects import judge_effects
from clinragen.evaluate.judge.page import judge_page
from clinragen.evaluate.judge.rated import read_rated
from clinragen.evaluate.judge.scores import rating_scores
from clinragen.evaluate.paper.captions import read_templates, templates_page, templates_table
from clinragen.evaluate.paper.case_choice import Case, case_counts
from clinragen.evaluate.paper.case_page import Texts, cases_page, view
from clinragen.evaluate.paper.case_view import curves
from clinragen.evaluate.paper.claims import assess
from clinragen.evaluate.paper.claims_page import claims_page
from clinragen.evaluate.paper.comparison import compare, read_paper
from clinragen.evaluate.paper.contradictions import find_contradictions
from clinragen.evaluate.paper.evidence import Estimate, Evidence
from clinragen.evaluate.paper.missing import Missing
from clinragen.evaluate.paper.register import read_claims
from clinragen.evaluate.paper.similarity import similarity_page, similarity_table
from clinragen.evaluate.paper.sources import PRINTED, printed_evidence, printed_in_text
from clinragen.evaluate.paper.table_page import table_page
from clinragen.evaluate.paper.times import Time, read_paper_times, times_table
from clinragen.evaluate.paper.times_page import times_page
from clinragen.evaluate.sensitivity import compare_variants, sensitivity_page
from clinragen.evaluate.statistics_page import statistics_page
from clinragen.evaluate.texts.lab_claims import read_lab_wordings
from clinragen.registry.paper_rows import read_paper_rows
from clinragen.registry.raw import TITLES
from clinragen.schemas.benchmark import CAPTIONS
from clinragen.schemas.discussion import DISCUSSION
from clinragen.schemas.evaluate import SCORES

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
PAGES = {
    "card": "mimic3/benchmark/card.html",
    "table": "tables/table1.html",
    "times": "tables/table3.html",
    "similarity": "tables/table4.html",
    "templates": "tables/table5.html",
    "cases": "figures/figure7-mimic3.html",
    "sensitivity": "tables/sensitivity.html",
    "beyond": "tables/beyond.html",
    "statistics": "tables/statistics.html",
    "judge": "tables/judge.html",
    "discussion": "tables/discussion.html",
    "claims": "tables/claims.html",
    "lineage": "audit/lineage.html",
}
PHASE3 = "mimic3/train/flan-t5-small/rationales-knowledge/seed1/phase3"
ROW = "tables/table1.csv/MIMIC-III/ClinRaGen"


COUNTS = {"samples": 5691, "unreadable": 12, "cut": 34, "unknown": 567}


def table1() -> str:
    """The page of the paper's Table 1 with our value, from two seeds, in every cell."""
    paper = read_paper(RESOURCES / "paper_table1.csv")
    scores = [
        {"dataset": cell.dataset, "model": cell.model, "seed": seed, "value": cell.mean + seed / 100}
        | COUNTS
        | dict(zip(("average", "metric"), cell.metric.split("_"), strict=True))
        for cell in paper
        for seed in (1, 2)
    ]
    intervals = {(c.dataset, c.model, c.metric): (c.mean - 0.01, c.mean + 0.03) for c in paper}
    nothing = Missing([], Configured(datasets=[], keys=[]))
    compared = compare(paper, [pa.Table.from_pylist(scores, SCORES.schema)], ["tiny model"], intervals, nothing)
    return table_page(compared, 1, templates("scores", "table"))


def missing(table: int) -> Missing:
    """How to make the rows of a table, none of which is configured."""
    return Missing(read_paper_rows(RESOURCES / "paper_rows.csv", table), Configured(datasets=[], keys=[]))


def table3() -> str:
    """The page of the paper's Table 3, two stages of which have long names of machines."""
    paper = read_paper_times(RESOURCES / "paper_table3.csv")
    jobs = [TimedJob(stage=stage, dataset=dataset, seed=1) for stage in list(paper)[1:3] for dataset in TITLES.values()]
    times = [
        Time(job, 123456.7, 98765.4, "8 x NVIDIA H100 80GB HBM3, 128 CPUs, 2048 GB", ("tiny model",)) for job in jobs
    ]
    return times_page(times_table(paper, times, [], missing(3)), templates("times"))


def table4() -> str:
    """The page of the paper's Table 4 without our values."""
    paper = read_paper(RESOURCES / "paper_table4.csv")
    return similarity_page(similarity_table(paper, [], [], missing(4)), templates("scores", "similarity"))


def table5() -> str:
    """The page of the paper's Table 5: captions of 40 stays."""
    captions = [f"{v.name} is higher than normal {n} times." for v in VARIABLES for n in range(1, 41)]
    found = pa.table({"stay_id": list(range(len(captions))), "text": captions}, CAPTIONS.schema)
    names, own = [v.name for v in VARIABLES], {n: n for n in range(len(captions))}
    counted = templates_table("MIMIC-III", found, own, read_templates(RESOURCES / "paper_table5.csv"), names)
    return templates_page(counted, ["tiny model"], templates("templates"))


def figure7() -> str:
    """The page of Figure 7: one case with long texts and the curves of all variables."""
    chosen = Case(1, 1, frozenset(PHENOTYPES[:9]), frozenset(PHENOTYPES[5:14]), frozenset(PHENOTYPES[:2]), False)
    words = "pneumonoultramicroscopicsilicovolcanoconiosis " * 20
    texts = Texts(
        words, " ".join(f"{v.name} is normal all the time." for v in VARIABLES), (words, words), (words, None)
    )
    names = [v.name for v in VARIABLES]
    values = [[float(step + n) for n in range(len(names))] for step in range(48)]
    drawn = curves(
        np.array(values), np.ones((48, len(names)), dtype=bool), names, {name: (9.0, 30.0) for name in names}
    )
    units = {v.name: v.unit for v in VARIABLES}
    wordings = read_lab_wordings(RESOURCES / "lab_wordings.csv", names)
    views = {"a rule": view(chosen, texts, drawn, [], units, wordings), "another rule": None}
    counts = case_counts("MIMIC-III", [chosen])
    return cases_page("MIMIC-III", views, counts, 1, ["tiny model"], "results/x/figure7.html", templates("cases"))


def sensitivity() -> str:
    """The page with the rows of config/sensitivity.yaml, each with two seeds."""
    overlay = yaml.safe_load((RESOURCES.parent / "config/sensitivity.yaml").read_text(encoding="utf-8"))
    rows = [model["row"] for model in overlay["models"].values()]

    def scores(model: str, seed: int) -> pa.Table:
        same = {"dataset": "MIMIC-III", "model": model, "seed": seed, "metric": "f1", "value": seed / 10} | COUNTS
        return pa.Table.from_pylist([same | {"average": average} for average in ("micro", "macro")], SCORES.schema)

    runs = [(row, seed) for row in rows for seed in (1, 2)]
    table = compare_variants([scores(*run) for run in runs], [scores("ClinRaGen", seed) for _, seed in runs])
    return sensitivity_page(table, ["tiny model"], templates("sensitivity"))


def beyond() -> str:
    """The page with the rows of config/beyond.yaml, each with two seeds."""
    overlay = yaml.safe_load((RESOURCES.parent / "config/beyond.yaml").read_text(encoding="utf-8"))
    same = {"dataset": "MIMIC-III", **COUNTS}
    scores = [
        same | {"model": row["row"], "seed": seed, "value": seed / 10, "average": average, "metric": metric}
        for row in overlay["classifiers"].values()
        for seed in (1, 2)
        for average, metric in CELLS
    ]
    summary = summarise([pa.Table.from_pylist(scores, SCORES.schema)])
    return beyond_page(summary, ["tiny model"], templates("beyond"))


def uncertainty() -> str:
    """The page of three rows, one of which is asked."""
    settings = Bootstrap(replicates=1000, seed=1)
    return statistics_page(statistics(), [], "ClinRaGen", settings, ["tiny model"], templates("statistics"))


def judge(directory: Path) -> str:
    """The page with two judges on two datasets; one of them does not notice wrong rationales."""
    of = {(d, name): judge_tree.ratings(name, d) for d in ("mimic3", "mimic4") for name in ("reads", "blind")}
    rated = read_rated(*judge_tree.write(directory, of))
    settings = Bootstrap(replicates=1000, seed=1)
    tables = (made(rated, settings) for made in (rating_scores, judge_agreement, judge_effects))
    return judge_page(*tables, ["tiny model"], templates("judge"))


def discussion() -> str:
    """The page with one answer that is shown, one hidden and one missing."""
    row = {"question": "bias", "dataset": "MIMIC-III", "model": "ClinRaGen", "group": "all", "measure": "a" * 60}
    rows = [
        row | {"value": 0.5, "low": 0.4, "high": 0.6, "n": 5691},
        row | {"measure": "hidden"},
        row
        | {
            "question": "knowledge",
            "group": "pubmed",
            "missing": "needs a row of models; run `snakemake evaluate_discussion_of_a_tree`",
        },
    ]
    settings = Bootstrap(replicates=1000, seed=1)
    table = pa.Table.from_pylist(rows, DISCUSSION.schema)
    return discussion_page(table, settings, ["tiny model"], templates("discussion"))


def claims() -> str:
    """The page of the claims, on values that are the paper's with an interval."""
    register = read_claims(RESOURCES / "claims.yaml")
    printed = printed_evidence([RESOURCES / f"{name}.csv" for name in PRINTED], printed_in_text(register))
    wide = {cell: Estimate(e.value, e.value - 0.01, e.value + 0.01) for cell, e in printed.values.items()}
    assessed = assess(register, printed, Evidence(wide))
    pages = [f"tables/table{number}.html" for number in (1, 2, 3, 6)]
    return claims_page(assessed, find_contradictions(printed, assessed), pages, ["tiny model"], templates("claims"))


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """A results tree with one page of each kind."""
    directory = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        tiny_tree.build()
        others = [f"results/x/{PHASE3}/{n}" for n in range(40)]
        for path in others:
            tiny_tree.make(path, "train_phase3", ["results/x/stays"])
        rows = [{"where": {"dataset": "MIMIC-III", "model": "ClinRaGen"}, "inputs": others[:1]}]
        tiny_tree.make("results/x/tables/table1.csv", "evaluate_table", [*others, "raw/a.csv"], rows=rows)
        outputs = ["results/x/tables/table1.csv", *others]
        texts = {
            "card": card(),
            "table": table1(),
            "times": table3(),
            "similarity": table4(),
            "templates": table5(),
            "cases": figure7(),
            "sensitivity": sensitivity(),
            "beyond": beyond(),
            "statistics": uncertainty(),
            "judge": judge(tmp_path_factory.mktemp("judges")),
            "discussion": discussion(),
            "claims": claims(),
            "lineage": lineage_page(outputs, "results/x", "", templates("lineage")),
        }
    for name, path in PAGES.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(texts[name], encoding="utf-8")
    return directory


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
    assert scores[0][2].split() == ["0.5962", "(0.0071)", "[0.5712,", "0.6112]", "paper", "0.5812"]
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
