"""How many rows the raw tables of a rehearsal have: a share of those of the real release."""

from dataclasses import dataclass
from pathlib import Path

import yaml

RELEASE = {"mimic3": "1.4", "mimic4": "3.1"}
"""The release of each dataset whose rows are counted."""
DISCHARGE_REPORTS = {"mimic3": 59652, "mimic4": 331794}
"""Discharge summaries of NOTEEVENTS, and of MIMIC-IV-Note 2.2, which resources/raw_tables.yaml does not count."""
STAYS_PER_ADMISSION = {"mimic3": 1.065, "mimic4": 1.108}
"""ICU stays of an admission that has any."""


@dataclass(frozen=True)
class Sizes:
    """Rows of every raw table; `reports` of the notes are discharge reports, the others belong to other categories."""

    patients: int
    admissions: int
    stays: int
    admissions_with_stays: int
    diagnoses: int
    chart_rows: int
    lab_rows: int
    notes: int
    reports: int


def sizes_at(declaration: Path, dataset: str, share: float) -> Sizes:
    """Return the sizes at a share of the rows of the release (resources/raw_tables.yaml); 1 is all of it."""
    whole = yaml.safe_load(declaration.read_text(encoding="utf-8"))[dataset]["releases"][RELEASE[dataset]]

    def rows(number: float) -> int:
        return max(1, round(number * share))

    reports = DISCHARGE_REPORTS[dataset]
    return Sizes(
        patients=rows(whole["patients"]),
        admissions=rows(whole["admissions"]),
        stays=rows(whole["icustays"]),
        admissions_with_stays=rows(whole["icustays"] / STAYS_PER_ADMISSION[dataset]),
        diagnoses=rows(whole["diagnoses_icd"]),
        chart_rows=rows(whole["chartevents"]),
        lab_rows=rows(whole["labevents"]),
        notes=rows(whole.get("noteevents", reports)),
        reports=rows(reports),
    )
