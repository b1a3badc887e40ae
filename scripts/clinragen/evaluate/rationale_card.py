"""Data card of texts by language models: failed checks, missing texts and truncated notes."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.disclosure import shown_parts
from clinragen.pages.render import render
from clinragen.schemas.benchmark import SPLITS
from clinragen.schemas.rationale import RATIONALE_COUNTS

NONE = "none"
KINDS = {"notes": "note", "labs": "lab", "predictions": "answer"}  # by the name of the table


def count_rationales(path: Path, samples: pa.Table, rationales: pa.Table) -> pa.Table:
    """Count the texts in one file (RATIONALE_COUNTS).

    The file has rationales, `.../{dataset}/rationale/{teacher}/{notes,labs}.parquet`, or predictions of an asked model,
    `.../{dataset}/asked/{asked}/predictions.parquet`. Counts over 1 to 10 patients are empty, and so are counts that
    would reveal them by subtraction.
    """
    kind = KINDS[path.stem]
    source = {"dataset": path.parts[-4], "teacher": path.parts[-2], "rationale": kind}
    of_stay = {row["stay_id"]: row for row in samples.to_pylist()}
    rows = [row | of_stay[row["stay_id"]] for row in rationales.to_pylist()]
    splits = [[row for row in of_stay.values() if row["split"] == split] for split in SPLITS]
    # As on the data card, where the total would reveal a single hidden split.
    seen = dict(zip(SPLITS, shown_parts(_patients(splits)), strict=True))
    counts = []
    for split in SPLITS[-1:] if kind == "answer" else SPLITS:
        hidden = {} if seen[split] else {"stays": None, "characters": None}
        for part in _parts_of_split([row for row in rows if row["split"] == split], with_cuts=kind != "lab"):
            counts.append(source | {"split": split} | part | hidden)
    return pa.Table.from_pylist(counts, schema=RATIONALE_COUNTS.schema)


def _parts_of_split(rows: list[dict], with_cuts: bool) -> Iterator[dict[str, Any]]:
    yield from _parts("all", {"all": rows})
    yield from _parts("status", _grouped(rows, lambda row: [row["status"]]))
    problems = _grouped(rows, lambda row: _problems(row["problems"]) or [NONE])
    yield from (part for part in _parts("problem", problems) if part["value"] != NONE)
    if with_cuts:
        yield from _parts("note", _grouped(rows, lambda row: ["cut" if row["note_cut"] else "whole"]))


def _grouped(rows: list[dict], values: Callable[[dict], Iterable[str]]) -> dict[str, list[dict]]:
    groups: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        for value in values(row):
            groups[value].append(row)
    return dict(sorted(groups.items()))


def _problems(text: str | None) -> list[str]:
    """Return the kinds of problems, without details after a colon, such as names of diagnoses."""
    return list(dict.fromkeys(problem.partition(": ")[0] for problem in (text or "").split("; ") if problem))


def _parts(kind: str, groups: dict[str, list[dict]]) -> list[dict[str, Any]]:
    return [
        {
            "kind": kind,
            "value": value,
            "stays": len(rows) if seen else None,
            "characters": sum(row["note_cut"] for row in rows) if seen and value == "cut" else None,
        }
        for (value, rows), seen in zip(groups.items(), shown_parts(_patients(groups.values())), strict=True)
    ]


def _patients(groups: Iterable[list[dict]]) -> list[set[int]]:
    return [{row["subject_id"] for row in rows} for rows in groups]


def rationale_card(counts: pa.Table, marked_samples: str, stand_ins: list[str], templates: list[Path]) -> str:
    """Return the counts as HTML; `marked_samples` is the setting for samples with marked rationales."""
    teachers: dict[tuple[str, str], dict[str, list[dict]]] = {}
    for row in counts.to_pylist():
        tables = teachers.setdefault((row["dataset"], row["teacher"]), {"statuses": [], "problems": [], "notes": []})
        name = {"problem": "problems", "note": "notes"}.get(row["kind"], "statuses")
        tables[name].append(row)
    sections = [{"title": f"{dataset}, {teacher}"} | tables for (dataset, teacher), tables in teachers.items()]
    return render("rationales", templates, stand_ins=stand_ins, marked_samples=marked_samples, sections=sections)
