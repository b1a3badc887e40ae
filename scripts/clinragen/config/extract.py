"""Settings of stage extract."""

from pydantic import Field

from clinragen.config.base import Section


class Cohort(Section):
    """Which ICU stays are studied (the benchmark's rules)."""

    min_age: float = Field(ge=0)
    """Youngest age in years at ICU admission."""
    exclude_transfers: bool
    """Leave out stays that changed the ICU (and, in MIMIC-III, the ward), or do not tell it."""
    one_stay_per_admission: bool
    """Leave out admissions with several remaining ICU stays."""


class Diagnoses(Section):
    """Repairs of the benchmark's reading of the diagnoses; `benchmark.compat` switches them off."""

    unlisted_codes: bool
    """Keep codes that the dictionary D_ICD_DIAGNOSES does not have."""


class Events(Section):
    """Repairs of the benchmark's reading of the events; `benchmark.compat` switches them off (docs/decisions.md)."""

    admission_by_time: bool
    """Give rows without admission to the patient's stay that was under way."""
    own_stay_only: bool
    """Leave out what another stay of the patient recorded while this one was under way."""
    blood_only: bool
    """Leave out glucose and pH of urine and other fluids."""
    numbers_only: bool
    """Drop texts that are no value, such as `>60/minute`, of the variables that the benchmark does not clean."""
    largest_number: bool
    """Of several values at one time take the largest number, never the last text in the order of texts."""
    fio2_by_value: bool
    """Divide fractions of oxygen by 100 where they are above 1, not all of them."""
    heights_unrounded: bool
    """Do not round heights in inches to whole centimetres."""
    plausible_only: bool
    """Drop values outside of the outlier bounds of the benchmark's own table, which it does not apply."""


class Notes(Section):
    """Which discharge notes are read."""

    addenda: bool
    """Read addenda too, after the reports of their admission."""


class Extract(Section):
    """From raw files to stays, diagnoses, events and notes."""

    cohort: Cohort
    """Rules of the cohort."""
    diagnoses: Diagnoses
    """Repairs, diagnoses."""
    events: Events
    """Repairs, events."""
    notes: Notes
    """Rules of the notes."""
    memory_limit_mb: int = Field(ge=400)
    """Most memory that a step may take; what does not fit is spilled to disk. Does not change any output."""
