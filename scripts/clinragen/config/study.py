"""Settings of the human study."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from clinragen.config.base import Section, UsablePath


class StudyDesign(Section):
    """Raters and their cases; any change starts a new study, whose forms do not accept ratings of the old one."""

    cases: int = Field(ge=2)
    """Number of rated cases, each of a different patient, from those of `evaluate.cases`."""
    raters: int = Field(ge=2)
    """Number of raters; their names are R01, R02, ..."""
    raters_per_case: int | None = Field(ge=2)
    """Raters per case, assigned so that loads differ by at most one case; null: everybody rates all cases."""
    repeats: float = Field(ge=0, le=0.5)
    """Share of a rater's cases that are shown a second time; at least one case unless 0."""
    attention_checks: int = Field(ge=0)
    """Items per form that ask for a given answer."""
    seed: int
    """Seed of the selection of cases, their assignment to raters, and all orders."""


class Exclusion(Section):
    """Raters whose ratings are excluded."""

    absent: list[str]
    """Names of raters who sent no ratings, such as R07; the ratings of all others must be complete."""
    failed_checks: int | None = Field(ge=1)
    """Raters who fail at least this many attention checks are excluded; null: nobody is."""


class Study(Section):
    """The human study: rated rationales, raters, and the files with their ratings."""

    dataset: Literal["mimic3", "mimic4"]
    """Dataset of the cases; the study is omitted if `datasets` lacks it."""
    trained: str
    """A key of `models`: the student whose first seed is rated, with its teacher and the rows of `asked` in table 4;
    the study is omitted without such a row."""
    design: StudyDesign
    """Raters and their cases."""
    responses: UsablePath | None
    """Directory of the CSV files that the raters saved; null: none yet (synthetic texts get simulated ratings)."""
    exclusion: Exclusion
    """Raters whose ratings are excluded."""


def study_problems(study: Study, cases: int) -> Iterator[str]:
    """Yield contradictions in `evaluate.study`; `cases` is `evaluate.cases.number`."""
    design, place = study.design, "evaluate.study.design"
    if design.cases > cases:
        yield (
            f"{place}.cases: {design.cases} is more than evaluate.cases.number, {cases}, the cases with outputs of all "
            "models; lower the former or raise the latter"
        )
    if design.raters_per_case is not None and design.raters_per_case > design.raters:
        yield (
            f"{place}.raters_per_case: {design.raters_per_case} is more than the {design.raters} raters; lower it, or "
            "set it to null"
        )
    elif design.raters_per_case is not None and design.cases * design.raters_per_case < 2 * design.raters:
        yield f"{place}.raters_per_case: {design.raters} raters would have fewer than two cases each; raise it"
    unknown = sorted(set(study.exclusion.absent) - set(rater_names(design.raters)))
    if unknown:
        yield (
            f"evaluate.study.exclusion.absent: {', '.join(unknown)}: not a rater of this study "
            f"(R01 to {rater_names(design.raters)[-1]}); correct the name"
        )


def rater_names(number: int) -> list[str]:
    """Return the names of the raters, which begin with a letter so that spreadsheets do not reformat them."""
    return [f"R{n:02}" for n in range(1, number + 1)]
