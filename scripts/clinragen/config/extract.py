"""Settings of stage extract."""

from pydantic import Field

from clinragen.config.base import Section


class Cohort(Section):
    """Which ICU stays are studied (the benchmark's rules)."""

    min_age: float = Field(ge=0)
    """Youngest age in years at ICU admission."""
    exclude_transfers: bool
    """Leave out stays that changed the ICU (and, in MIMIC-III, the ward)."""
    one_stay_per_admission: bool
    """Leave out admissions with several remaining ICU stays."""


class Notes(Section):
    """Which discharge notes are read."""

    addenda: bool
    """Read addenda too, after the reports of their admission."""


class Extract(Section):
    """From raw files to stays, diagnoses, events and notes."""

    cohort: Cohort
    """Rules of the cohort."""
    notes: Notes
    """Rules of the notes."""
    memory_limit_mb: int = Field(ge=100)
    """Most memory that DuckDB may take; it spills to disk beyond. Does not change any output."""
