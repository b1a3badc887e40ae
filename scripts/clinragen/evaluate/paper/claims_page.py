"""The page of the paper's claims."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.evaluate.paper.claims import IN_PRINT, VERDICTS, Answer, Assessment, table_of
from clinragen.evaluate.paper.kinds import Statement
from clinragen.pages.render import render

OUTCOMES = {True: "hold", False: "fail", None: "open"}
ANSWERS = {True: "holds", False: "fails", None: "open"}


def claims_page(
    assessments: Sequence[Assessment],
    contradictions: pa.Table,
    pages: Sequence[str],
    stand_ins: Sequence[str],
    templates: list[Path],
) -> str:
    """Return the answers and the contradictions (CONTRADICTIONS) as HTML.

    `pages` are the files in the results that it may link to, such as `tables/table1.html`.
    """
    rows = table_of(assessments).to_pylist()
    for row, each in zip(rows, assessments, strict=True):
        pairs = zip(each.print.all, each.ours.all, strict=True)
        row["all"] = [_statement(printed, ours) for printed, ours in pairs]
        row["deciding"] = [row["all"][n] for n in _deciding(each)]
        row["counted"] = {"print": _counted(each.print), "ours": _counted(each.ours)}
        row["page"] = _page(each.target, pages)
    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in contradictions.to_pylist():
        kinds.setdefault(row["kind"], []).append(row)
    return render(
        "claims",
        templates,
        stand_ins=stand_ins,
        claims=rows,
        in_print={answer: sum(row["in_print"] == answer for row in rows) for answer in IN_PRINT},
        verdicts={answer: sum(row["verdict"] == answer for row in rows) for answer in VERDICTS},
        contradictions=kinds,
        against={row["claim"]: row["kind"] for row in contradictions.to_pylist() if row["claim"]},
        with_tests="tables/intervals.csv" in pages,
    )


def _deciding(each: Assessment) -> list[int]:
    """Return which statements decide our answer and that in print, without one that has no value."""
    answers = [each.ours, each.print]
    valued = [answer for answer in answers if not answer.decisive.lacking] or answers[:1]
    return list(dict.fromkeys(answer.all.index(answer.decisive) for answer in valued))


def _counted(answer: Answer) -> dict[str, int]:
    """Count the statements by what became of them, and those without a value; only what there is."""
    outcomes = ["without a value" if s.lacking else OUTCOMES[s.holds] for s in answer.all]
    return {
        outcome: outcomes.count(outcome) for outcome in (*OUTCOMES.values(), "without a value") if outcome in outcomes
    }


def _statement(printed: Statement, ours: Statement) -> dict[str, Any]:
    value, low, high = ours.estimate or (None, None, None)
    return {
        "text": ours.text,
        "printed": printed.estimate.value if printed.estimate else None,
        "printed_p": printed.p,
        "printed_holds": "" if printed.lacking else ANSWERS[printed.holds],
        "value": value,
        "p": ours.p,
        "low": low,
        "high": high,
        "holds": "" if ours.lacking else ANSWERS[ours.holds],
    }


def _page(target: str, pages: Sequence[str]) -> str | None:
    """Return the page of the values behind a claim, or the table itself if it has no page."""
    return next((name for name in (target.replace(".csv", ".html"), target) if name in pages), None)
