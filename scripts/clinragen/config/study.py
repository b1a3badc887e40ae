"""Settings of the human study."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, field_validator

from clinragen.config.base import Section, usable_path


class StudyDesign(Section):
    """Who rates what; another value makes another study, whose forms do not accept the ratings of this one."""

    cases: int = Field(ge=2)
    """Rated cases, each of another patient, chosen among those of `evaluate.cases`."""
    raters: int = Field(ge=2)
    """Raters; their names are R01, R02, ..."""
    raters_per_case: int | None = Field(ge=2)
    """Raters of each case, drawn so that all have as many cases, give or take one; null: everybody rates all cases."""
    repeats: float = Field(ge=0, le=0.5)
    """Share of a rater's cases that are shown a second time; at least one case unless it is 0."""
    attention_checks: int = Field(ge=0)
    """Items of each form that ask for a given answer."""
    seed: int
    """Seed of the choice of cases, of who rates them, and of every order."""


class Exclusion(Section):
    """Whose ratings do not count."""

    absent: list[str]
    """Names of raters who sent no ratings, such as R07; the ratings of all others must be complete."""
    failed_checks: int | None = Field(ge=1)
    """Raters who fail at least so many attention checks are left out; null keeps everybody."""


class Study(Section):
    """The human study: which rationales are rated, by whom, and where the ratings are."""

    dataset: Literal["mimic3", "mimic4"]
    """Dataset of the cases; there is no study where it is left out."""
    trained: str
    """Key of `models`: the student that is rated, of the first seed, beside its teacher and the rows of `asked` in
    table 4; there is no study without such a row."""
    design: StudyDesign
    """Who rates what."""
    responses: str | None
    """Directory of the CSV files that the raters exported; null: none yet, and simulated ones for synthetic texts."""
    exclusion: Exclusion
    """Whose ratings do not count."""

    @field_validator("responses")
    @classmethod
    def _usable_path(cls, text: str | None) -> str | None:
        return usable_path(text)


def study_problems(study: Study, cases: int) -> Iterator[str]:
    """Values of `evaluate.study` that contradict each other; `cases` is `evaluate.cases.number`."""
    design, place = study.design, "evaluate.study.design"
    if design.cases > cases:
        yield (
            f"{place}.cases: {design.cases} of evaluate.cases.number: {cases} cases, the only ones that all models "
            "are asked about; raise the one or lower the other"
        )
    if design.raters_per_case is not None and design.raters_per_case > design.raters:
        yield f"{place}.raters_per_case: {design.raters_per_case} of {design.raters} raters; lower it, or set it null"
    elif design.raters_per_case is not None and design.cases * design.raters_per_case < 2 * design.raters:
        yield f"{place}.raters_per_case: {design.raters} raters would have fewer than two cases each; raise it"
    unknown = sorted(set(study.exclusion.absent) - set(rater_names(design.raters)))
    if unknown:
        yield (
            f"evaluate.study.exclusion.absent: {', '.join(unknown)} is no rater of this study "
            f"(R01 to {rater_names(design.raters)[-1]})"
        )


def rater_names(number: int) -> list[str]:
    """Names of the raters; they begin with a letter, so that a spreadsheet leaves them as they are."""
    return [f"R{n:02}" for n in range(1, number + 1)]
