"""The example on the front page of the results: a typical case and one that the student gets wrong.

Published only if their data are synthetic or open.
"""

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from clinragen.disclosure import all_shown
from clinragen.evaluate.paper.case_choice import WRONG, choose, typical
from clinragen.evaluate.paper.case_files import CaseFiles, Shown
from clinragen.evaluate.paper.case_view import HEIGHT, WIDTH
from clinragen.llm.origin import restricted_origin


def example(dataset: str, cases: CaseFiles, shown: Shown, read: Iterable[Path], page: str) -> dict[str, Any]:
    """Return the facts of one case, to be published; instead, if an input is restricted, the path of the cases' page.

    `read` are the inputs from which the facts derive; their records prove whether they are synthetic or open. The case
    is the one with the median F1 among those with several phenotypes and an abnormal lab; without such, `case` is None.
    `fitting` counts them, None if they are of few patients. `wrong` is the case of Figure 7 that the student gets wrong
    unless it is the same; `run` says how the student's whole run went.
    """
    if restricted_origin(read):
        return {"restricted": page}
    fitting = [case for case in cases.with_abnormal_labs(shown) if len(case.true) > 1]
    case, wrong = typical(fitting), choose(cases.cases)[WRONG]
    views = cases.views({"case": case, "wrong": None if wrong == case else wrong}, shown)
    return {
        "dataset": dataset,
        "fitting": len(fitting) if all_shown([len({case.patient for case in fitting})]) else None,
        "f1": None if case is None else case.f1,
        "run": run(cases),
        **views,
        "width": WIDTH,
        "height": HEIGHT,
    }


def run(cases: CaseFiles) -> dict[str, int | None]:
    """Count over all test stays of the student's run; None if a count, or its difference to all, is of few patients."""
    written = cases.student

    def count(stays: Collection[int]) -> int | None:
        parts = ({cases.patients[stay] for stay in part} for part in (stays, written.keys() - stays))
        return len(stays) if all_shown(map(len, parts)) else None

    return {
        "stays": count(written.keys()),
        "exact": count({s for s, each in written.items() if set(each.true or []) == set(each.predicted or [])}),
        "cut": count({s for s, each in written.items() if each.at_limit}),
        "no_labs": count({s for s, each in written.items() if not each.lab}),
    }


def as_json(facts: dict[str, Any]) -> str:
    """Return facts as text, the same for the same facts."""
    return json.dumps(facts, ensure_ascii=False, indent=1) + "\n"
