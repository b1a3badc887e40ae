"""Where the raw files lie."""

from typing import Literal

from pydantic import Field

from clinragen.config.base import Section


class Dataset(Section):
    """One of MIMIC-III and MIMIC-IV."""

    source: Literal["folder", "synthetic", "open-demo"]
    """folder: your own copy; synthetic: made on the spot; open-demo: the public 100-patient demo (MIMIC-III only)."""
    raw: str | None
    """Folder of the raw tables as PhysioNet ships them (.csv or .csv.gz)."""
    notes: str | None
    """Folder of the notes; `synthetic` writes stand-in notes (MIMIC-III only); null where they lie in `raw`."""
    release: str | None
    """Release of the raw tables, such as 1.4, 2.2 or 3.1, checked by their number of rows; null: unchecked."""
    test_list: str | None
    """List of the patients of the test split, such as the benchmark's testset.csv; null: by our rule."""
    validation_list: str | None
    """List of the patients of the validation split, such as its valset.csv; only with `test_list`."""

    @property
    def synthetic_notes(self) -> bool:
        """Whether stand-in notes are written for raw tables that exist; a synthetic cohort brings its own."""
        return self.notes == "synthetic" and self.source != "synthetic"

    @property
    def text_source(self) -> str:
        """What the guard of the teacher goes by: notes of your own make open-demo data restricted."""
        return "folder" if self.source == "open-demo" and self.notes != "synthetic" else self.source


class Datasets(Section):
    """The two cohorts of the paper; null leaves one out."""

    mimic3: Dataset | None
    """MIMIC-III."""
    mimic4: Dataset | None
    """MIMIC-IV, with MIMIC-IV-Note."""


class DemoCohort(Section):
    """The synthetic cohort of `source: synthetic`."""

    patients: int = Field(ge=20)
    """Patients per dataset."""
    seed: int
    """Seed of the generator; the same seed gives the same bytes."""
