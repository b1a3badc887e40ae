"""The page of the human study: mean ratings, agreement beside the paper's, the mixed model, the raters."""

from pathlib import Path

import pyarrow as pa

from clinragen.evaluate.study.mixed import ALL
from clinragen.evaluate.study.scores import PEOPLE, TWICE
from clinragen.pages.render import render
from clinragen.schemas.ratings import CRITERIA


def study_page(
    scores: pa.Table,
    agreement: pa.Table,
    model: pa.Table,
    raters: pa.Table,
    dataset: str,
    failed_checks: int | None,
    stand_ins: list[str],
    templates: list[Path],
) -> str:
    """Return the tables of the study (RATING_SCORES, AGREEMENT, STUDY_MODEL, STUDY_RATERS) as HTML."""
    systems: dict[str, dict[str, dict]] = {}
    for row in scores.to_pylist():
        systems.setdefault(row["system"], {})[row["criterion"]] = row
    terms: dict[str, dict[str, dict]] = {}
    for row in model.to_pylist():
        terms.setdefault(row["term"], {})[row["criterion"]] = row
    statuses = {row["criterion"]: row["status"] for row in model.to_pylist() if row["status"] != "converged"}
    return render(
        "study",
        templates,
        dataset=dataset,
        stand_ins=stand_ins,
        criteria=CRITERIA,
        systems=systems,
        among=_by_statistic(agreement, PEOPLE),
        twice=_by_statistic(agreement, TWICE),
        judges={raters: _by_statistic(agreement, raters) for raters in _judges(agreement)},
        columns=[*CRITERIA, ALL],
        terms=terms,
        statuses=statuses,
        reference=model["reference"][0].as_py(),
        raters=raters.to_pylist(),
        failed_checks=failed_checks,
    )


def _judges(agreement: pa.Table) -> list[str]:
    """The comparisons with judges, in order."""
    return [raters for raters in dict.fromkeys(agreement["raters"].to_pylist()) if raters not in (PEOPLE, TWICE)]


def _by_statistic(agreement: pa.Table, raters: str) -> dict[str, dict[str, dict]]:
    found: dict[str, dict[str, dict]] = {}
    for row in agreement.to_pylist():
        if row["raters"] == raters:
            found.setdefault(row["statistic"], {})[row["criterion"]] = row
    return found
