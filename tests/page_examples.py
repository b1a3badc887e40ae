"""A results tree with one page of each kind, as small as it can be."""

from pathlib import Path

import judge_tree
import numpy as np
import pyarrow as pa
import pytest
import tiny_tree
import yaml
from pages import PHENOTYPES, VARIABLES, card, statistics, templates
from raw_folders import RESOURCES

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
    return cases_page(
        "MIMIC-III", views, counts, 1, ["tiny model"], "results/x/figure7.html", False, templates("cases")
    )


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


def example_tree(factory: pytest.TempPathFactory) -> Path:
    """Write a results tree with one page of each kind, and return its directory."""
    directory, scratch = factory.mktemp("pages"), factory.mktemp("judges")
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
            "judge": judge(scratch),
            "discussion": discussion(),
            "claims": claims(),
            "lineage": lineage_page(outputs, "results/x", "", templates("lineage")),
        }
    for name, path in PAGES.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(texts[name], encoding="utf-8")
    return directory
