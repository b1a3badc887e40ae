"""Settings of the raw data and of the synthetic cohorts."""

from typing import Literal

from pydantic import Field, field_validator

from clinragen.config.base import Section, UsablePath


class Dataset(Section):
    """One of MIMIC-III and MIMIC-IV."""

    source: Literal["folder", "synthetic", "open-demo"]
    """folder: your own copy; synthetic: generated; open-demo: the public demo of 100 patients."""
    raw: UsablePath | None
    """Directory of the raw tables as PhysioNet ships them (.csv or .csv.gz); `~` is expanded."""
    notes: UsablePath | None
    """Directory of the notes; `synthetic` writes stand-in notes; null if they are in `raw`."""
    release: str | None
    """Release (1.4, 2.2, 3.1, ...), checked by row counts; null: recognised by them; any: modified, unchecked."""
    test_list: UsablePath | None
    """File with the patients of the test split, such as the benchmark's testset.csv; null: the default split."""
    validation_list: UsablePath | None
    """File with the patients of the validation split, such as its valset.csv; only with `test_list`."""

    @field_validator("release", mode="before")
    @classmethod
    def _in_quotes(cls, release: object) -> object:
        if isinstance(release, int | float):  # 2.10 without quotes would be 2.1
            raise ValueError(f"put {release} in quotes")
        return release

    @property
    def synthetic_notes(self) -> bool:
        """Whether stand-in notes are written for existing raw tables; a synthetic cohort includes notes."""
        return self.notes == "synthetic" and self.source != "synthetic"

    @property
    def text_source(self) -> str:
        """The source by which the guard of language models decides: your own notes make open-demo data restricted."""
        return "folder" if self.source == "open-demo" and self.notes != "synthetic" else self.source


class Datasets(Section):
    """The two cohorts of the paper; null omits one."""

    mimic3: Dataset | None
    """MIMIC-III."""
    mimic4: Dataset | None
    """MIMIC-IV, with MIMIC-IV-Note."""


class Patients(Section):
    """Sizes of the synthetic cohorts."""

    mimic3: int = Field(ge=20)
    """Patients of the synthetic MIMIC-III."""
    mimic4: int = Field(ge=20)
    """Patients of the synthetic MIMIC-IV."""


class DemoCohort(Section):
    """The synthetic cohorts of `source: synthetic`, and the tiny language model of `source: tiny`."""

    patients: Patients
    """Numbers of patients."""
    share: float | None = Field(gt=0, le=1)
    """Write this share of the real releases' rows, without planted evidence (docs/rehearsal.md); null: `patients`."""
    seed: int
    """Seed of the generator; the same seed produces the same bytes."""
    lessons: int = Field(ge=0)
    """Number of pairs of finding and disease on which the tiny language model is pretrained; 0 leaves it random."""
