"""Examples of the front page: of a demo, of real data, and of runs that lack pieces."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pages import table, templates

from clinragen.schemas.claims import CLAIMS
from clinragen.schemas.evaluate import COMPARISON, PLANTED
from clinragen.schemas.extract import ATTRITION
from clinragen.site import outcomes
from clinragen.site.heads import Heading, Page
from clinragen.site.index_page import Example, Outcomes, index_page

SYNTHETIC = ["offline knowledge", "synthetic cohort", "template LLM", "tiny language model"]
OPEN = ["open demo cohort of MIMIC-III (100 patients)", "synthetic notes", "template LLM", "tiny language model"]
PAGES = [
    Page(
        "tables/claims.html",
        "The claims",
        "Claims",
        "Each claim.",
        ["tables/claims.csv"],
        [Heading("At a glance", "a")],
    ),
    Page("tables/table1.html", "Table 1: scores", "Tables", "F1.", ["tables/table1.csv"], [Heading("MIMIC-III", "")]),
    Page("tables/table2.html", "Table 2: ablations", "Tables", "F1.", ["tables/table2.csv"]),
    Page("tables/planted.html", "Does it read the labs?", "Claims", "Planted.", ["tables/planted.csv"]),
    Page("mimic3/benchmark/card.html", "Data card: MIMIC-III", "Data", "Samples <b>.", [], [Heading("Lengths", "l")]),
    Page("audit/lineage.html", "Lineage", "Audit", "Every output.", ["audit/lineage.csv"]),
]
NOTE = "Records describe a pacing wire & <script>alert(1)</script>."


def scores(*rows: tuple[str, str, float | None, bool]) -> pa.Table:
    """Return COMPARISON: dataset, model, micro F1 of ours and whether it was asked; its macro F1 is 0.1 less."""
    cells = []
    for dataset, model, value, asked in rows:
        for metric, less in (("micro_f1", 0.0), ("macro_f1", 0.1), ("micro_precision", 0.5)):
            ours = None if value is None else value - less
            counts = [0, None, None, None, None] if ours is None else [5, "tiny", 9, 0, 0]
            cell = dict.fromkeys(COMPARISON.schema.names) | {
                "dataset": dataset, "model": model, "metric": metric, "ours_mean": ours, "asked": asked,
                "n_seeds": 0 if ours is None else 1 if asked else counts[0], "paper_mean": 0.64,
                "verdict": "missing" if ours is None else "agrees", "stand_ins": None,
            }  # fmt: skip
            cells.append(cell)
    return pa.Table.from_pylist(cells, schema=COMPARISON.schema)


TABLE1 = scores(
    *(("MIMIC-III", f"baseline {n}", n / 10, False) for n in range(1, 6)),
    ("MIMIC-III", "asked low", 0.05, True),
    ("MIMIC-III", "asked high", 0.15, True),
    ("MIMIC-III", "ClinRaGen", 0.7, False),
    ("MIMIC-III", "ClinRaGen*", None, False),
    ("MIMIC-IV", "ClinRaGen", 0.6, False),
)
TABLE2 = scores(("MIMIC-III", "ClinRaGen", 0.7, False), ("MIMIC-III", "w/o LAB&KNOW", 0.4, False))
NOTHING = scores(("MIMIC-III", "ClinRaGen", None, False))


def claims(*answers: tuple[str, str]) -> pa.Table:
    """Return CLAIMS with these answers in print and on our values."""
    rows = []
    for number, (in_print, verdict) in enumerate(answers):
        text = dict.fromkeys(("section", "quote", "reading", "kind", "target", "statement"), "x")
        counts = dict.fromkeys(("statements", "holding", "failing"), 1)
        rows.append(dict.fromkeys(CLAIMS.schema.names) | text | counts
                    | {"id": f"c{number}", "in_print": in_print, "verdict": verdict})  # fmt: skip
    return pa.Table.from_pylist(rows, schema=CLAIMS.schema)


ANSWERS = claims(
    ("holds in print", "reproduced"), ("holds in print", "not decidable"), ("not printed", "not decidable"),
    ("contradicted in print", "not reproduced"),
)  # fmt: skip


def planted(**f1: float) -> pa.Table:
    """Return PLANTED of one model: F1 on what only the labs show, as is, shuffled and by chance, over two seeds."""
    conditions = {"own": "as is", "others": "series shuffled", "chance": "labels shuffled"}
    rows = [("MIMIC-III", "ClinRaGen", "labs", conditions[name], seed, value + seed / 100 - 0.015, 0.4, 0.6, 9)
            for name, value in f1.items() for seed in (1, 2)]  # fmt: skip
    return table(PLANTED.schema, *rows, ("MIMIC-III", "ClinRaGen", "all", "as is", 1, 0.9, 0.8, 1.0, 9),
                 ("MIMIC-III", "other", "labs", "as is", 1, 0.1, 0.0, 0.2, 9))  # fmt: skip


def attrition(train: int | None = 494, test: int | None = 134) -> pa.Table:
    return table(
        ATTRITION.schema,
        ("stays", 1, "ICU stays", 833, None, None, None),
        ("samples", 1, "stays of the cohort", 717, None, None, None),
        ("samples", 2, "with a hospital course", 680, None, None, None),
        ("sample splits", 1, "train split", train, None, None, None),
        ("sample splits", 2, "validation split", 52, None, None, None),
        ("sample splits", 3, "test split", test, None, None, None),
    )


def curve(variable: str, beyond: list[list[float]]) -> dict[str, Any]:
    return {"variable": variable, "unit": "mg/dL", "points": [[4, 30], [100, 9]], "path": "4,30 100,9",
            "beyond": beyond, "low": 50.0, "high": 12.0, "least": 70.0, "most": 180.0}  # fmt: skip


CASE = {
    "note": [[NOTE, ""], ["wire", "term"]],
    "captions": [["Glucose is higher than normal 3 times.", "abnormal"], ["pH is normal all the time.", ""]],
    "authors": {
        "teacher": {"note": [["The teacher wrote this.", ""]], "lab": [["Glucose", "abnormal"]], "left_out": []},
        "student": {"note": [["The student wrote this.", ""]], "lab": [], "left_out": ["Glucose higher"]},
    },
    "right": ["Shock"], "missed": ["Conduction disorders"], "wrong": ["Pneumonia"], "not_by_teacher": [],
    "curves": [curve("Glucose", [[100, 9]]), curve("pH", [])],
}  # fmt: skip
EXAMPLE = Example("site/example-mimic3.json", {
    "dataset": "MIMIC-III", "fitting": 20, "f1": 0.8, "width": 220.0, "height": 60.0, "case": CASE, "wrong": None,
    "run": {"stays": 134, "exact": 47, "cut": 50, "no_labs": 45},
})  # fmt: skip


def front_page(stand_ins: list[str] = SYNTHETIC, labs: pa.Table | None = None, **changes: Any) -> str:
    """Render a front page of two datasets, scores and an example; `changes` replace any of its facts."""
    read = planted(own=0.52, others=0.05, chance=0.06) if labs is None else labs
    facts: dict[str, Any] = {
        "claims": ANSWERS, "table1": TABLE1, "table2": TABLE2, "example": EXAMPLE, "restricted": [], "pages": PAGES,
        "datasets": {"MIMIC-III": attrition(), "MIMIC-IV": attrition(None, None)}, "root": "r00t",
        "tree": Path("results/demo"),
    } | changes  # fmt: skip
    found = Outcomes(
        outcomes.claims(facts["claims"]),
        outcomes.headline(facts["table1"], facts["table2"]),
        outcomes.labs_read(read),
        [outcomes.dataset(name, steps) for name, steps in facts["datasets"].items()],
    )
    own = (facts["example"], facts["restricted"], stand_ins, facts["tree"], facts["root"], templates("index"))
    return index_page(found, facts["pages"], *own)


# Every kind of front page, by name.
KINDS: dict[str, dict[str, Any]] = {
    "demo": {},
    "open demo": {"stand_ins": OPEN, "labs": PLANTED.schema.empty_table()},
    "real": {"stand_ins": [], "labs": PLANTED.schema.empty_table(), "example": None, "tree": Path("results/paper"),
             "restricted": ["mimic3/evaluate/figure7.html", "mimic4/evaluate/figure7.html"]},
    "no student": {"example": None, "table1": TABLE1.filter(pc.equal(TABLE1["asked"], True)),
                   "table2": NOTHING, "labs": PLANTED.schema.empty_table()},
    "nothing yet": {"example": None, "table1": NOTHING, "table2": NOTHING, "claims": CLAIMS.schema.empty_table(),
                    "datasets": {"MIMIC-IV": attrition()}, "root": None, "labs": PLANTED.schema.empty_table(),
                    "pages": PAGES[-1:]},
}  # fmt: skip
