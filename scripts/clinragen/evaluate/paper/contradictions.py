"""Find where the paper's printed numbers contradict each other, by computing some from others."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import pyarrow as pa

from clinragen.evaluate.paper.claims import CONTRADICTED, Assessment
from clinragen.evaluate.paper.evidence import Cell, Evidence
from clinragen.evaluate.paper.register import DATASETS, Gain
from clinragen.schemas.claims import CONTRADICTIONS

F1_METRICS = ("micro_f1", "macro_f1")
SPREAD_OF_F1 = 0.003
"""Far more than F1 of means can differ from the mean of F1, over five runs with a standard deviation of some 0.001."""
MACRO_STEP, MICRO_STEP = 0.02, 0.01
"""Suspicious: another teacher changes macro F1 by more than the first, but micro F1 by less than the second."""
COT = "Flan-T5-0.1B, Clinical-COT, ChatGPT"
COT_OF_TABLE1, COT_OF_TABLE2 = "Clinical CoT -w/o TSE", "w/o LAB&KNOW"
TRAINING, COMPARED_TRAINING = "ClinRaGen - 84M Tuning", "LlaMA - 7B Tuning"
BEFORE_TRAINING = ("Knowledge Retrieval", "LLM-Guided Rationale Generation")

F1 = "F1 against precision and recall"
TABLES = "Table 6 against Table 1"
TEACHERS = "macro F1 against micro F1"
BEST = "the mean of the baselines against the best"
TIME = "time of training against all time"
WORDS = "the text against the tables"


def find_contradictions(printed: Evidence, assessments: Sequence[Assessment]) -> pa.Table:
    """Return all printed values that disagree with other printed values or with the text (CONTRADICTIONS)."""
    rows = [
        *_f1_of_precision_and_recall(printed),
        *_clinical_cot(printed),
        *_teachers(printed),
        *_best_baselines(printed, assessments),
        *_whole_time(printed, assessments),
        *_claims(assessments),
    ]
    return pa.Table.from_pylist(rows, schema=CONTRADICTIONS.schema)


def _row(kind: str, place: str, printed: float, other: float, meaning: str, claim: str | None = None) -> dict[str, Any]:
    values = {"printed": round(printed, 4), "other": round(other, 4)}
    return {"kind": kind, "place": place, **values, "meaning": meaning, "claim": claim}


def _f1_of_precision_and_recall(printed: Evidence) -> Iterator[dict[str, Any]]:
    """Yield micro F1 that is not the harmonic mean of micro precision and recall; macro F1 need not be."""
    for cell, value in printed.values.items():
        if cell.source != "table1" or cell.metric != "micro_f1":
            continue
        precision, recall = (printed.value(cell._replace(metric=f"micro_{m}")).value for m in ("precision", "recall"))
        f1 = 2 * precision * recall / (precision + recall)
        if abs(value.value - f1) > SPREAD_OF_F1:
            meaning = f"printed precision {precision:.4f} and recall {recall:.4f} give {f1:.4f}"
            yield _row(F1, f"Table 1, {cell.dataset}, {cell.row}, micro F1", value.value, f1, meaning)


def _clinical_cot(printed: Evidence) -> Iterator[dict[str, Any]]:
    """Yield values of Clinical-COT in table 6 that belong to another row than its name."""
    for dataset, metric in product(DATASETS, F1_METRICS):
        value, by_name, by_value = (
            printed.value(Cell(source, dataset, row, metric)).value
            for source, row in (("table6", COT), ("table1", COT_OF_TABLE1), ("table2", COT_OF_TABLE2))
        )
        if value != by_name and value == by_value:
            meaning = f"Clinical-COT of Table 6 has the value of {COT_OF_TABLE2} in Table 2, not that in Table 1"
            yield _row(TABLES, f"Table 6, {dataset}, {COT}, {_named(metric)}", value, by_name, meaning)


def _teachers(printed: Evidence) -> Iterator[dict[str, Any]]:
    """Yield macro F1 that changes with the teacher although micro F1 hardly does."""
    for cell in [c for c in printed.values if c.source == "table6" and c.metric == "macro_f1"]:
        if not cell.row.endswith("DeepSeek"):
            continue
        other = cell._replace(row=cell.row.replace("DeepSeek", "ChatGPT"))
        macro, micro = (
            printed.difference(cell._replace(metric=m), other._replace(metric=m)).value for m in reversed(F1_METRICS)
        )
        if abs(macro) > MACRO_STEP and abs(micro) < MICRO_STEP:
            meaning = f"with the other teacher macro F1 moves by {macro:+.4f}, micro F1 by {micro:+.4f}"
            place = f"Table 6, {cell.dataset}, {cell.row}, macro F1"
            yield _row(TEACHERS, place, printed.value(cell).value, printed.value(other).value, meaning)


def _best_baselines(printed: Evidence, assessments: Sequence[Assessment]) -> Iterator[dict[str, Any]]:
    """Yield gains over the mean of several rows that are not gains over the best of them."""
    for claim in (a.claim for a in assessments):
        test = claim.test
        if not isinstance(test, Gain) or test.source != "table1":
            continue
        for row, dataset, metric in product(test.rows, test.datasets, test.metrics):
            own = Cell(test.source, dataset, row, metric)
            best = max((own._replace(row=other) for other in test.others), key=lambda c: printed.value(c).value)
            gain = printed.difference(own, best).value
            if gain <= test.by:
                meaning = (
                    f"{gain:+.4f} against {best.row}, the best of the trained baselines; claimed: over {test.by:g}"
                )
                place = f"Table 1, {dataset}, {row}, {_named(metric)}"
                yield _row(BEST, place, printed.value(own).value, printed.value(best).value, meaning, claim.id)


def _whole_time(printed: Evidence, assessments: Sequence[Assessment]) -> Iterator[dict[str, Any]]:
    """Yield the student's training time, which leaves out the rationales that it needs."""
    times = {name: printed.value(Cell("times", "all", name, "seconds")).value for name in (TRAINING, COMPARED_TRAINING)}
    before = sum(printed.value(Cell("times", "all", name, "seconds")).value for name in BEFORE_TRAINING)
    whole = times[TRAINING] + before
    if times[TRAINING] < times[COMPARED_TRAINING] < whole:
        claim = next((a.claim.id for a in assessments if a.claim.test.source == "times"), None)
        meaning = (
            f"with knowledge and rationales {whole:,.0f} s, {whole / times[COMPARED_TRAINING]:.1f} times those of "
            f"{COMPARED_TRAINING} ({times[COMPARED_TRAINING]:,.0f} s)"
        )
        yield _row(TIME, f"Table 3, {TRAINING}", times[TRAINING], whole, meaning, claim)


def _claims(assessments: Sequence[Assessment]) -> Iterator[dict[str, Any]]:
    """Yield the claims in the text that the tables contradict."""
    for each in assessments:
        if each.print.verdict != CONTRADICTED:
            continue
        decisive = each.print.decisive
        assert decisive.estimate is not None, "a contradicted claim has a printed value"
        value = decisive.estimate.value
        holding = sum(s.holds is True for s in each.print.all)
        meaning = (
            f"“{each.claim.quote}”: {decisive.with_p}: {value:+.4f}; {holding} of {len(each.print.all)} statements hold"
        )
        bound = value - decisive.margin if decisive.margin < 0 else 0.0
        yield _row(WORDS, f"section {each.claim.section}, {each.claim.id}", value, bound, meaning, each.claim.id)


def _named(metric: str) -> str:
    return metric.replace("_f1", " F1")
