"""Small tables of stage knowledge, and the page of them."""

from dataclasses import replace

import pyarrow as pa
from attacks import png
from pages import table, templates

from clinragen.config.knowledge import Terms
from clinragen.config.llms import Llm
from clinragen.knowledge.page import Tables, knowledge_page
from clinragen.schemas.extract import ATTRITION
from clinragen.schemas.knowledge import ANSWERS, CONVERGENCE, COVERAGE, SOURCES, TERMS

SETTINGS = Terms(
    llm="teacher",
    sources=["pubmed", "wikipedia"],
    batch=1,
    top=100,
    jaccard=0.9,
    stable_rounds=2,
    max_terms=30,
    max_characters=12000,
)


def attrition(source: str, *steps: tuple[str, int]) -> pa.Table:
    rows = ((source, order, step, None, None, None, number) for order, (step, number) in enumerate(steps, start=1))
    return table(ATTRITION.schema, *rows)


TABLES = Tables(
    terms=table(
        TERMS.schema,
        ("Renal", "kidney <i>", 8, ["kidney <i>", "kidneys"], 3, 2, 1, 1),
        *(("Renal", f"term {n}", n + 1, [f"term {n}"], 4, 4, 0, 1) for n in range(7)),
        ("Shock", "shock", 1, ["shock"], 1, 0, 1, 1),
    ),
    answers=table(
        ANSWERS.schema,
        *(("Renal", "pubmed", str(n), n, f"r{n}", "good" if n else "refused", None) for n in range(4)),
        ("Shock", "wikipedia", "9", 1, "r9", "good", None),
    ),
    convergence=table(
        CONVERGENCE.schema,
        ("Renal", 2, 4, 9, 1, 8, 0.95, True, 1, "1 refused"),
        ("Renal", 1, 2, 8, 8, 8, None, False, 0, None),
        ("Shock", 1, 1, 1, 1, 1, None, False, 0, None),
    ),
    picture=png(),
    attrition={
        "pubmed": attrition("pubmed", ("found", 20), ("with an abstract", 12)),
        "wikipedia": attrition("wikipedia", ("with a page", 2)),
    },
    sources=table(
        SOURCES.schema,
        ("terms", "Renal", 7, 0, 1, 0.125),
        ("terms", "Shock", 0, 1, 0, 0.0),
        ("terms", "all", 7, 1, 1, 0.1111),
        ("tokens of tiny-t5", "all", 40, 10, 10, 0.1667),
    ),
    coverage={
        "tiny-t5": table(
            COVERAGE.schema,
            ("Renal", 8, 50, 40, 0.8333, 0.2, 0.2, "Shock", 50, 1, 2, 47),
            ("Shock", 1, 20, 10, 0.3333, 0.2, 0.2, "Renal", 20, 0, 0, 20),
            ("all", 9, 60, 50, 1.0, 0.2, 0.2, None, 60, 1, 2, 57),
        )
    },
)


def page(mode: str = "online", **changes: object) -> str:
    """The page of these tables, of which some may be replaced."""
    llm = Llm(provider="openai", model="gpt-x")
    return knowledge_page(replace(TABLES, **changes), SETTINGS, llm, mode, ["tiny model"], templates("knowledge"))
