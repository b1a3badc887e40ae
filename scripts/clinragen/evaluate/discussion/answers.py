"""All questions of the discussion about one dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from clinragen.config.discussion import DiscussionRows
from clinragen.evaluate.discussion.bias import Texts, bias
from clinragen.evaluate.discussion.resample import Patients
from clinragen.evaluate.discussion.scores import ALL, Row, differences, scores
from clinragen.evaluate.discussion.subgroups import groups_of, subgroups
from clinragen.schemas.discussion import DISCUSSION

SEARCH = "search for the names"
LEAKAGE_MEASURES = {
    "recall": "recall, all samples",
    "precision": "precision, all samples",
    "f1": "micro F1, all samples",
}


@dataclass(frozen=True)
class Data:
    """What is known of one dataset; arrays are about its test samples, in the order of `stays`."""

    dataset: str
    stays: list[int]
    patients: Patients
    true: np.ndarray
    """Booleans [samples, phenotypes]."""
    rows: Mapping[str, Row]
    """The rows that answer a question, by name."""
    named: Row
    """Whoever searches the notes for the names of the phenotypes."""
    groups: pa.Table
    """GROUPS."""
    leakage: pa.Table
    """LEAKAGE."""
    teacher: Texts
    """What the teacher's note rationales say."""
    students: list[Texts]
    """What those of each run of the student say."""


def answers(data: Data, rows: DiscussionRows) -> pa.Table:
    """Every answer about a dataset (DISCUSSION); a question whose row is missing says what would make it."""
    student = data.rows[rows.student]
    asked = [data.rows[rows.teacher]] if rows.teacher else []
    groups = groups_of(data.groups, data.stays, data.patients)
    found = [
        *bias(data.true, data.teacher, data.students, rows.student, data.patients),
        *subgroups(data.true, [student, *asked], groups, data.patients),
        *_knowledge(data, rows),
        *_parity(data, rows),
        *_contamination(data, rows),
        *_leakage(data, student),
        *_missing(rows),
    ]
    named = [{"dataset": data.dataset} | row for row in found]
    return pa.Table.from_pylist(named, schema=DISCUSSION.schema)


def _knowledge(data: Data, rows: DiscussionRows) -> list[dict[str, Any]]:
    """F1 with each vocabulary, and what it is above the student's own."""
    found = []
    for vocabulary, name in rows.vocabularies.items():
        row = data.rows[name]
        found += scores("knowledge", data.true, row, data.patients, vocabulary)
        if name != rows.student:
            measure, other = f"{{}} minus {rows.student}", data.rows[rows.student]
            found += differences("knowledge", data.true, row, other, data.patients, measure, vocabulary)
    return found


def _parity(data: Data, rows: DiscussionRows) -> list[dict[str, Any]]:
    student = data.rows[rows.student]
    found = scores("parity", data.true, student, data.patients)
    if rows.teacher:
        teacher = data.rows[rows.teacher]
        found += scores("parity", data.true, teacher, data.patients)
        found += differences("parity", data.true, student, teacher, data.patients, f"{{}} minus {teacher.name}")
    return found


def _contamination(data: Data, rows: DiscussionRows) -> list[dict[str, Any]]:
    found = []
    for without, with_list in rows.lists.items():
        one, other = data.rows[without], data.rows[with_list]
        found += scores("contamination", data.true, one, data.patients)
        found += scores("contamination", data.true, other, data.patients, "with the list")
        measure = "{} with the list minus without"
        changed = differences("contamination", data.true, other, one, data.patients, measure)
        found += [row | {"model": without} for row in changed]
    return found


def _leakage(data: Data, student: Row) -> list[dict[str, Any]]:
    """How far the names in the notes carry, over all samples (LEAKAGE), and on the test split beside the student."""
    micro = next(row for row in data.leakage.to_pylist() if row["phenotype"] == "micro")
    about = {"question": "leakage", "model": SEARCH, "group": ALL}
    found = [about | {"measure": text, "value": micro[name]} for name, text in LEAKAGE_MEASURES.items()]
    found += scores("leakage", data.true, data.named, data.patients)
    found += scores("leakage", data.true, student, data.patients)
    found += differences("leakage", data.true, student, data.named, data.patients, f"{{}} minus {SEARCH}")
    return found


def _missing(rows: DiscussionRows) -> list[dict[str, Any]]:
    measures = {
        "knowledge": "micro F1",
        "contamination": "micro F1 with the list minus without",
        "parity": "micro F1 minus the teacher's",
    }
    return [
        {"question": m.question, "model": m.model, "group": m.group, "measure": measures[m.question]}
        | {"missing": m.remedy}
        for m in rows.missing
    ]
