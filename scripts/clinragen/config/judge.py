"""Settings of the judges: language models that rate rationales (figure 6a)."""

from collections.abc import Iterator

from pydantic import Field

from clinragen.config.base import Section


class Controls(Section):
    """Rationales that are wrong on purpose, which a judge must rate lower."""

    swapped: int = Field(ge=0)
    """Number of cases that are rated again with every system's rationale about another patient; 0: none."""
    wrong_diagnoses: int = Field(ge=0)
    """Number of cases that are rated again with another patient's diagnoses, disjoint if possible; 0: none."""


class Question(Section):
    """The ratings that a judge is asked for."""

    cases: int = Field(ge=1)
    """Cases per dataset, drawn from those of `evaluate.cases`; a smaller number draws a subset."""
    seed: int
    """Seed of the cases, the controls and the order of the requests."""
    controls: Controls
    """Rationales that are wrong on purpose."""


class Judge(Question):
    """Language models that rate the rationales of a student, its teacher, and the rows of `asked` in table 4."""

    llms: list[str]
    """Keys of `llms`: first the judge of figure 6a, then judges to compare it with; []: no judge."""
    trained: str
    """A key of `models`: the student whose first seed is rated, with its teacher; without such a row, neither is."""

    @property
    def question(self) -> Question:
        """The settings without the judges and the student."""
        return Question(cases=self.cases, seed=self.seed, controls=self.controls)


def judge_problems(judge: Judge, cases: int) -> Iterator[str]:
    """Yield contradictions between settings; `cases` is `evaluate.cases.number`."""
    if len(set(judge.llms)) < len(judge.llms):
        yield f"evaluate.judge.llms: {judge.llms} contains a language model twice; remove the duplicate"
    if judge.llms and judge.cases > cases:
        yield (
            f"evaluate.judge.cases: {judge.cases} is more than evaluate.cases.number, {cases}; lower the former or "
            "raise the latter"
        )
    for name, number in judge.controls:
        if judge.llms and number > judge.cases:
            yield f"evaluate.judge.controls.{name}: {number} is more than evaluate.judge.cases, {judge.cases}; lower it"
