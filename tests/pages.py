"""Examples of the pages, and the templates of each as its rule lists them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from raw_folders import RESOURCES

from clinragen.benchmark.card import make_card
from clinragen.benchmark.distributions import survey
from clinragen.benchmark.leakage import MEASURES
from clinragen.config.benchmark import Series
from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.paper.comparison import PaperCell
from clinragen.evaluate.runs import Scored, Truth, marked
from clinragen.evaluate.statistics import Statistics, tables_of
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.registry.variables import read_variables
from clinragen.schemas.benchmark import COURSES, HEADINGS, PREVALENCE, SAMPLES, UNLABELLED_CODES
from clinragen.schemas.evaluate import COMPARISON
from clinragen.schemas.extract import ATTRITION, EVENTS
from clinragen.schemas.leakage import LEAKAGE

TEMPLATES = Path(__file__).parents[1] / "scripts/clinragen/pages/templates"
VARIABLES = read_variables(RESOURCES / "variables.csv")
PHENOTYPES = read_phenotypes(RESOURCES / "phenotypes.csv")
SETTINGS = Series(variables=11, step_hours=1.0, max_steps=48, fill="nearest", scaled=True)
READ = {v.name for v in read_variables(RESOURCES / "variables.csv", 11)}
STAYS = 400


def templates(*own: str) -> list[Path]:
    """Return the files from which a page is rendered."""
    return [TEMPLATES / name for name in ("base.html", "style.css", "macros.html", *(f"{name}.html" for name in own))]


def comparison(stand_ins: str | None = None) -> pa.Table:
    """Three models, one of which we trained with two seeds, one we asked."""
    rows = [
        (
            *("MIMIC-III", "ClinRaGen", "micro_f1", 0.55, 0.0707, 0.5, 0.6, 2, False, 0.64, 0.001),
            *(-0.09, "lower", stand_ins, 18, 2, 1, 3, None),
        ),
        (
            *("MIMIC-III", "ClinRaGen", "macro_f1", 0.5, None, None, None, 2, False, 0.61, None),
            *(-0.11, "no interval", stand_ins, 18, 2, 1, 3, None),
        ),
        (
            *("MIMIC-III", "<b>R&D</b>", "micro_f1", None, None, None, None, 0, False, 0.6, None),
            *(None, "missing", *[None] * 5, "take <models.x>"),
        ),
        (
            *("MIMIC-IV", "w/o LAB&KNOW", "micro_f1", 0.7, None, 0.6, 0.8, 1, True, 0.7, None),
            *(0.0, "agrees", stand_ins, 9, 0, 0, 0, None),
        ),
    ]
    names = COMPARISON.schema.names
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], COMPARISON.schema)


def table(schema: pa.Schema, *rows: tuple) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


def card(
    stand_ins=("tiny & <synthetic>",), validation_stays: int = 40, source: str = "synthetic", most_codes: int = 30
) -> str:
    """Render a card of 400 stays, two of each patient."""
    ids = list(range(STAYS))
    splits = ["test"] * 100 + ["validation"] * validation_stays + ["train"] * (300 - validation_stays)
    samples = pa.table(
        {"stay_id": ids, "subject_id": [n // 2 for n in ids], "hadm_id": ids, "split": splits}, schema=SAMPLES.schema
    )
    stays = pa.table({"stay_id": ids, "los_hours": [10.0 + n % 20 for n in ids]})
    courses = pa.table(
        {"stay_id": ids, "heading": ["x"] * STAYS, "text": ["word " * (20 + n % 10) for n in ids]}, COURSES.schema
    )
    # A heart rate in every stay; a pH in half of them; a height of six patients; one value that nobody else has.
    rows = [(n, 0.5, "Heart Rate", 70.0 + n % 30) for n in ids] + [(n, 0.5, "pH", 7.4) for n in ids[:200]]
    rows += [(n, 0.5, "Height", 170.0) for n in range(12)] + [(7, 1.5, "Heart Rate", 299.0)]
    events = table(EVENTS.only(("stay_id", "hours", "variable", "value")).schema, *sorted(rows))
    found = survey(samples, stays, courses.to_batches(), events.to_batches(), VARIABLES, SETTINGS)
    tables = {
        "attrition": table(
            ATTRITION.schema,
            ("stays", 1, "ICU stays", 1234, 1200, 1100, None),
            ("stays", 2, "no transfer", None, 1100, 1000, None),
            ("split", 1, "train split", 400, 400, 240, None),
            ("samples", 1, "stays of the cohort", 500, 500, 300, None),
            ("sample splits", 1, "validation split", validation_stays, validation_stays, validation_stays // 2, None),
        ),
        "prevalence": table(
            PREVALENCE.schema,
            (PHENOTYPES[0], 111, 0.2220, 0.214, 0.212),
            *((name, None, None, 0.1, 0.2) for name in PHENOTYPES[1:]),
        ),
        "headings": table(HEADINGS.schema, ("(none)", 44, 0.11), ("hospital course", 356, 0.89)),
        "leakage": table(
            LEAKAGE.schema,
            ("Shock", 77, 0.5, 0.25, 0.625, 0.5556),
            ("Septicemia <i>", 55, None, None, None, None),
            ("micro", 132, *[0.3] * len(MEASURES)),
            ("macro", None, *[0.4] * len(MEASURES)),
        ),
        "unlabelled": table(
            UNLABELLED_CODES.schema,
            *((10, f"Z{n:03}", True, 1, 150 - n) for n in range(most_codes)),
            (9, "rare ones", True, 40, 60),
            (9, "rare ones", False, 2, None),
        ),
    }
    labels = list(stand_ins)
    return make_card("MIMIC-III", source, labels, SETTINGS, VARIABLES, READ, samples, found, tables, templates("card"))


def statistics() -> Statistics:
    """The uncertainty of three rows on 40 stays of 20 patients, one of whose phenotypes few of them have."""
    names = ["common", "other", "third", "rare"]
    true = [
        frozenset(n for n, every in zip(names, (2, 3, 2, 9), strict=True) if stay % every == 0)
        for stay in range(STAYS // 10)
    ]
    split = Truth(list(range(len(true))), [stay // 2 for stay in range(len(true))], true)
    right = marked(true, names)
    runs = [
        Scored(row, seed, right ^ (np.random.default_rng([seed or 0, wrong]).random(right.shape) < wrong / 100))
        for row, wrong, seeds in (("ClinRaGen", 10, (1, 2)), ("<i>theirs</i>", 20, (1, 2)), ("asked", 40, (None,)))
        for seed in seeds
    ]
    paper = [PaperCell("MIMIC-III", row, "micro_f1", 0.5, None) for row in ("ClinRaGen", "<i>theirs</i>")]
    return tables_of({"MIMIC-III": (split, runs)}, names, [], "ClinRaGen", paper, Bootstrap(replicates=1000, seed=1))
