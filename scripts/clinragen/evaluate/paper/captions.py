"""The paper's Table 5: its caption templates, and how many sentences of our captions match each."""

import csv
import itertools
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.disclosure import shown, shown_parts
from clinragen.evaluate.paper.forms import Section, Shown, distinct, number
from clinragen.evaluate.paper.verdict import AGREES
from clinragen.pages.render import render
from clinragen.schemas.paper import TEMPLATES

VARIABLE, TIMES = "{Lab features}", "{number of times}"
ALL, OTHER, DIFFERS = "all", "other", "differs"


def read_templates(path: Path) -> dict[str, str]:
    """Return the sentence of each condition, with slots in braces (resources/paper_table5.csv)."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["condition"]: row["template"] for row in csv.DictReader(file)}


def sentences(text: str, templates: dict[str, str], variables: list[str]) -> tuple[list[tuple[str, str]], bool]:
    """Return condition and variable of each sentence that matches a template, and whether nothing else is in the text.

    >>> paper = {"lower": "{Lab features} is lower than normal {number of times} times."}
    >>> sentences("pH is lower than normal 3 times.", paper, ["pH"])
    ([('lower', 'pH')], True)
    """
    names = "|".join(re.escape(name) for name in sorted(variables, key=len, reverse=True))
    matches: list[tuple[int, str, str]] = []
    rest = text
    for condition, template in templates.items():
        slots = re.escape(template).replace(re.escape(TIMES), r"[0-9]+").replace(re.escape(VARIABLE), f"({names})")
        pattern = re.compile(rf"(?:(?<=^)|(?<=\s)){slots}(?=\s|$)")
        matches += [(match.start(), condition, match[1]) for match in pattern.finditer(text)]
        rest = pattern.sub("", rest)
    return [(condition, variable) for _, condition, variable in sorted(matches)], not rest.strip()


def templates_table(
    dataset: str, captions: pa.Table, patients: dict[int, int], templates: dict[str, str], variables: list[str]
) -> pa.Table:
    """Count sentences by condition and variable, and by condition over all variables (TEMPLATES).

    `patients` has the patient of each sample; captions of other stays do not count. Counts over few patients are empty,
    and so are counts that would reveal them.
    """
    counts: dict[tuple[str, str], int] = defaultdict(int)
    behind: dict[tuple[str, str], set[int]] = defaultdict(set)
    others: list[int] = []
    for row in captions.to_pylist():
        if row["stay_id"] not in patients:  # a stay without a note is not a sample
            continue
        matches, whole = sentences(row["text"], templates, variables)
        patient = patients[row["stay_id"]]
        for match in matches:
            counts[match] += 1
            behind[match].add(patient)
        others += [patient] * (not whole)
    verdict = DIFFERS if others else AGREES
    rows = _rows(counts, behind, templates, [name for name in variables if any(v == name for _, v in counts)])
    if others:
        number = shown(len(set(others))) and len(others)
        rows.append({"condition": OTHER, "variable": ALL, "template": None, "sentences": number, "share": None})
    return pa.Table.from_pylist([{"dataset": dataset, "verdict": verdict} | row for row in rows], TEMPLATES.schema)


def _rows(
    counts: dict[tuple[str, str], int],
    behind: dict[tuple[str, str], set[int]],
    templates: dict[str, str],
    variables: list[str],
) -> list[dict[str, Any]]:
    hidden = set()
    for name in variables:
        visible = shown_parts([behind[condition, name] for condition in templates])
        hidden |= {(condition, name) for condition, keep in zip(templates, visible, strict=True) if not keep}
    total = sum(counts[condition, name] for condition in templates for name in variables)
    rows = []
    for condition, template in templates.items():
        of_all = sum(counts[condition, name] for name in variables)
        kept = None if any((condition, name) in hidden for name in variables) else of_all
        own = {"condition": condition, "template": template, "variable": ALL}
        rows.append(own | {"sentences": kept, "share": _share(kept, total)})
    for name, (condition, template) in itertools.product(variables, templates.items()):
        kept = None if (condition, name) in hidden else counts[condition, name]
        whole = sum(counts[other, name] for other in templates)
        own = {"condition": condition, "template": template, "variable": name}
        rows.append(own | {"sentences": kept, "share": _share(kept, whole)})
    return rows


def _share(count: int | None, whole: int) -> float | None:
    return None if count is None or not whole else round(count / whole, 4)


def templates_page(table: pa.Table, stand_ins: list[str], templates: list[Path]) -> str:
    """Return the counts (TEMPLATES) as HTML: the sentences, and per dataset a row per variable."""
    rows = table.to_pylist()
    sentences = {r["condition"]: r["template"] for r in rows if r["template"]}
    datasets = {}
    for dataset in distinct(r["dataset"] for r in rows):
        own = [r for r in rows if r["dataset"] == dataset]
        names = distinct(r["variable"] for r in own)
        cells = {(r["variable"], r["condition"]): r for r in own}
        datasets[dataset] = {
            "verdict": own[0]["verdict"],
            "rows": [{"variable": n, "cells": [cells.get((n, c)) for c in sentences]} for n in names],
            "other": cells.get((ALL, OTHER)),
        }
    return render("templates", templates, sentences=sentences, datasets=datasets, stand_ins=stand_ins)


def shown_templates(table: pa.Table, stand_ins: list[str]) -> Shown:
    """Return the counts (TEMPLATES) as text."""
    rows = table.to_pylist()
    conditions = {r["condition"]: r["template"] for r in rows if r["template"]}
    sections = [Section("sentences", ["condition", "sentence"], [list(pair) for pair in conditions.items()])]
    for dataset in distinct(r["dataset"] for r in rows):
        counts = {(r["variable"], r["condition"]): r["sentences"] for r in rows if r["dataset"] == dataset}
        lines = [
            [name, *(number(counts.get((name, c)), "{:,}", "hidden") for c in conditions)]
            for name in distinct(variable for variable, _ in counts)
        ]
        sections.append(Section(dataset, ["variable", *conditions], lines))
    notes = [f"Made with stand-ins: {'; '.join(stand_ins)}."] * bool(stand_ins)
    return Shown(
        "Table 5: caption templates",
        sections,
        [*notes, "Counts are sentences in the captions of all samples; counts over fewer than 11 patients are hidden."],
    )
