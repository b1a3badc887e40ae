"""The kit of the study: a form per rater, the key to the forms, and a page for the organizer."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.config.study import StudyDesign
from clinragen.evaluate.study.plan import LETTERS, Item, assign, choose_cases, plan_items
from clinragen.evaluate.study.wording import Wording
from clinragen.evaluate.written import Text
from clinragen.pages.render import render
from clinragen.schemas.study import STUDY_KEY


@dataclass(frozen=True)
class Case:
    """What a form shows of a stay in addition to the rationales."""

    note: str
    labs: str
    diagnoses: list[str]


@dataclass(frozen=True)
class Study:
    """A planned study; `name` is a hash of everything that its raters see."""

    name: str
    items: list[Item]
    cases: dict[int, Case]
    texts: dict[tuple[str, int], Text]
    wording: Wording


def plan_study(
    stays: Sequence[int],
    patients: Mapping[int, int],
    shown: Mapping[int, Case],
    systems: Sequence[str],
    texts: Mapping[tuple[str, int], Text],
    wording: Wording,
    design: StudyDesign,
) -> Study:
    """Choose cases among `stays`, assign them to raters and order the items.

    `texts` has a rationale for every system and stay; KeyError if one is missing.
    """
    chosen = choose_cases(stays, patients, design)
    items = plan_items(assign(chosen, design), systems, design)
    cases = {stay: shown[stay] for stay in chosen}
    rated = {(system, stay): texts[system, stay] for system in systems for stay in chosen}
    nameless = Study("", items, cases, rated, wording)
    content = json.dumps([form_data(nameless, rater) for rater in raters_of(items)], sort_keys=True)
    # A leading letter keeps spreadsheets from converting the name to a number.
    return replace(nameless, name=f"study-{hashlib.sha256(content.encode()).hexdigest()[:12]}")


def raters_of(items: Sequence[Item]) -> list[str]:
    """Return the raters, in order."""
    return list(dict.fromkeys(item.rater for item in items))


def form_data(study: Study, rater: str) -> dict[str, Any]:
    """Return the content of a rater's form, without system names, identifiers and marks of repeated cases."""
    practice = study.wording.practice
    texts = [
        {
            "letter": letter,
            "note": text.note,
            "lab": text.lab,
            "answers": {name: {"value": value, "why": why} for name, (value, why) in text.answers.items()},
        }
        for letter, text in zip(LETTERS, practice.texts, strict=False)
    ]
    first = {"item": 0, "note": practice.note, "labs": practice.labs, "diagnoses": practice.diagnoses, "texts": texts}
    return {
        "study": study.name,
        "rater": rater,
        "criteria": [{"name": name, "statement": text} for name, text in study.wording.criteria.items()],
        "scale": study.wording.scale,
        "items": [first, *(_item_data(study, item) for item in study.items if item.rater == rater)],
    }


def _item_data(study: Study, item: Item) -> dict[str, Any]:
    texts = [study.texts[system, item.stay] for system in item.systems]
    if item.expected is not None:
        answer = f"{item.expected} ({study.wording.scale[item.expected - 1].lower()})"
        texts = [Text(study.wording.attention.format(answer=answer), "")]
    shown = [{"letter": letter, **text._asdict()} for letter, text in zip(LETTERS, texts, strict=False)]
    return {"item": item.number, **vars(study.cases[item.stay]), "texts": shown}


def study_key(study: Study) -> pa.Table:
    """Return the system behind each letter of each item (STUDY_KEY)."""
    rows = []
    for item in study.items:
        row = {"study": study.name, "rater": item.rater, "item": item.number, "kind": item.kind, "stay_id": item.stay}
        if item.expected is not None:
            rows.append(row | {"letter": LETTERS[0], "expected": item.expected, "without_text": False})
        for letter, system in zip(LETTERS, item.systems, strict=False):
            missing = study.texts[system, item.stay].missing
            rows.append(row | {"letter": letter, "system": system, "without_text": missing})
    return pa.Table.from_pylist(rows, schema=STUDY_KEY.schema)


def study_form(study: Study, rater: str, dataset: str, source: str, templates: list[Path]) -> str:
    """Return the form of a rater as self-contained HTML; `source` is the source of its texts."""
    data = form_data(study, rater)
    return render("study_form", templates, data=data, rater=rater, dataset=dataset, restricted=source == "folder")


def kit_page(
    study: Study,
    dataset: str,
    source: str,
    design: StudyDesign,
    stand_ins: list[str],
    templates: list[Path],
) -> str:
    """Return the page for the organizer: who may open the forms, what they contain, what to do."""
    rows = []
    for rater in raters_of(study.items):
        items = [item for item in study.items if item.rater == rater]
        kinds = Counter(item.kind for item in items)
        row: dict[str, str | int] = {"rater": rater, "form": f"forms/form-{rater}.html"}
        # The number of ratings would reveal how few rationales have no text.
        rows.append(row | {"cases": kinds["case"], "repeats": kinds["repeat"], "checks": kinds["attention"]})
    return render(
        "study_kit",
        templates,
        study=study.name,
        dataset=dataset,
        restricted=source == "folder",
        source=source,
        systems=list(dict.fromkeys(system for system, _ in study.texts)),
        design=design,
        criteria=study.wording.criteria,
        rows=rows,
        stand_ins=stand_ins,
    )
