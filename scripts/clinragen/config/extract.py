"""Settings of stage extract."""

from pydantic import Field

from clinragen.config.base import Section


class Cohort(Section):
    """Which ICU stays are included (the benchmark's rules)."""

    min_age: float = Field(ge=0)
    """Minimum age in years at ICU admission."""
    exclude_transfers: bool
    """Exclude stays with a change of ICU (in MIMIC-III also of ward), and stays without that information."""
    one_stay_per_admission: bool
    """Exclude admissions with several remaining ICU stays."""


class Diagnoses(Section):
    """Repairs of the benchmark's handling of diagnoses; `benchmark.compat` switches them off."""

    unlisted_codes: bool
    """Keep codes that are not in the dictionary D_ICD_DIAGNOSES."""


class Events(Section):
    """Repairs of the benchmark's handling of events; `benchmark.compat` switches them off (docs/decisions.md)."""

    admission_by_time: bool
    """Assign rows without an admission to the patient's stay at that time."""
    own_stay_only: bool
    """Exclude events that another stay of the patient recorded during this one."""
    blood_only: bool
    """Exclude glucose and pH of urine and other fluids."""
    numbers_only: bool
    """Drop texts that are not a number, such as `>60/minute`, from the variables that the benchmark does not clean."""
    largest_number: bool
    """Of simultaneous values take the largest number, not the last in text order."""
    fio2_by_value: bool
    """Divide only oxygen fractions above 1 by 100."""
    heights_unrounded: bool
    """Do not round heights in inches to whole centimetres."""
    plausible_only: bool
    """Drop values outside the outlier bounds that the benchmark lists but does not apply."""


class Notes(Section):
    """Which discharge notes are read."""

    addenda: bool
    """Also read addenda, after the reports of their admission."""


class Extract(Section):
    """From raw files to stays, diagnoses, events and notes."""

    cohort: Cohort
    """Cohort."""
    diagnoses: Diagnoses
    """Repairs of diagnoses."""
    events: Events
    """Repairs of events."""
    notes: Notes
    """Notes."""
    memory_limit_mb: int = Field(ge=400)
    """Memory limit of a step, which spills the rest to disk. It changes no output."""
    threads: int = Field(ge=1)
    """Processor cores of the extraction of events. It changes no output."""
