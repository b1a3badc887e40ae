"""The example on the front page of the results: a typical case, published only if its data are synthetic or open."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clinragen.evaluate.paper.case_choice import typical
from clinragen.evaluate.paper.case_files import CaseFiles, Shown
from clinragen.evaluate.paper.case_view import HEIGHT, WIDTH
from clinragen.llm.origin import restricted_origin


def example(dataset: str, cases: CaseFiles, shown: Shown, read: Iterable[Path], page: str) -> dict[str, Any]:
    """Return the facts of one case, to be published; instead, if an input is restricted, the path of the cases' page.

    `read` are the inputs from which the facts derive; their records prove whether they are synthetic or open. The case
    is the one with the median F1 among those with several phenotypes and an abnormal lab; without such, `case` is None.
    """
    if restricted_origin(read):
        return {"restricted": page}
    fitting = [case for case in cases.with_abnormal_labs(shown) if len(case.true) > 1]
    case = typical(fitting)
    return {
        "dataset": dataset,
        "fitting": len(fitting),
        "f1": None if case is None else case.f1,
        "case": cases.views({"": case}, shown)[""],
        "width": WIDTH,
        "height": HEIGHT,
    }


def as_json(facts: dict[str, Any]) -> str:
    """Return facts as text, the same for the same facts."""
    return json.dumps(facts, ensure_ascii=False, indent=1) + "\n"
