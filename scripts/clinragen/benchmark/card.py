"""The data card: one page of summary statistics of one dataset."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.benchmark.card_pictures import draw_bars, draw_prevalence
from clinragen.benchmark.distributions import Survey
from clinragen.config.benchmark import Series
from clinragen.disclosure import shown_parts
from clinragen.pages.render import render
from clinragen.registry.variables import Variable
from clinragen.schemas.benchmark import SPLITS

COUNTED = ("stays", "admissions", "subjects", "rows")
MOST_CODES = 20


def make_card(
    dataset: str,
    source: str,
    stand_ins: list[str],
    settings: Series,
    variables: list[Variable],
    read: set[str],
    samples: pa.Table,
    survey: Survey,
    tables: dict[str, pa.Table],
    templates: list[Path],
) -> str:
    """Return the page: `tables` are attrition, prevalence, headings, leakage and unlabelled, as their rules wrote them.

    `survey` is that of the samples, with all of the variables in their order; `read` names those that the model reads.
    """
    rows = {name: table.to_pylist() for name, table in tables.items()}
    # The card has a separate table of the splits of the samples.
    attrition = [row for row in rows["attrition"] if row["table"] != "sample splits"]
    splits = _splits(samples)
    lengths = [
        ("ICU stay", "hours", survey.hours),
        ("Series", f"bins of {settings.step_hours:g} h, at most {settings.max_steps}", survey.steps),
        ("Hospital course", "words after cleaning", survey.words),
    ]
    return render(
        "card",
        templates,
        dataset=dataset,
        source=source,
        stand_ins=stand_ins,
        settings=settings,
        total=splits[-1],
        attrition=[_steps(attrition, name) for name in dict.fromkeys(row["table"] for row in attrition)],
        splits=splits,
        prevalence=rows["prevalence"],
        prevalence_picture=draw_prevalence(rows["prevalence"]),
        coverage=[
            {"name": v.name, "read": v.name in read, "found": measured}
            for v, measured in zip(variables, survey.coverage, strict=True)
        ],
        lengths=[
            {"name": name, "unit": unit, "quartiles": measured.quartiles, "picture": draw_bars(measured.bars)}
            for name, unit, measured in lengths
        ],
        measured=[
            {"name": v.name, "unit": v.unit, "picture": draw_bars(bars, levels=v.categorical)}
            for v, bars in zip(variables, survey.values, strict=True)
        ],
        headings=sorted(rows["headings"], key=lambda r: (r["stays"] is None, -(r["stays"] or 0), r["heading"])),
        without_course=next((r["share"] for r in rows["headings"] if r["heading"] == "(none)"), None),
        leakage=rows["leakage"],
        codes=rows["unlabelled"][:MOST_CODES],
        number_of_codes=sum(r["codes"] for r in rows["unlabelled"]),
    )


def _steps(attrition: list[dict], name: str) -> dict[str, Any]:
    """Return the steps of one attrition table, and which counts any of them has."""
    steps = [row for row in attrition if row["table"] == name]
    return {"name": name, "steps": steps, "counted": [k for k in COUNTED if any(s[k] is not None for s in steps)]}


def _splits(samples: pa.Table) -> list[dict[str, Any]]:
    """Return the sizes of each split and of all samples together; None for those that few patients are behind."""
    rows = samples.to_pylist()
    splits = {split: [r for r in rows if r["split"] == split] for split in SPLITS}
    # The numbers of one row are all hidden, or none of them is.
    visible = shown_parts([{r["subject_id"] for r in members} for members in splits.values()])
    visible += shown_parts([{r["subject_id"] for r in rows}])
    sizes = []
    for (split, members), seen in zip([*splits.items(), ("all", rows)], visible, strict=True):
        counts = {key: len({r[key] for r in members}) if seen else None for key in ("stay_id", "hadm_id", "subject_id")}
        share = len(members) / max(len(rows), 1) if seen else None
        sizes.append({"split": split, **counts, "share": share})
    return sizes
