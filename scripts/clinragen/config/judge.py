"""Settings of the judges: language models that rate rationales (figure 6a)."""

from collections.abc import Iterator

from pydantic import Field

from clinragen.config.base import Section


class Controls(Section):
    """Rationales that are wrong on purpose, which a judge that reads them must rate lower."""

    another_patient: int = Field(ge=0)
    """Cases that are shown with the rationales that every system wrote about another patient; 0: none."""
    wrong_diagnoses: int = Field(ge=0)
    """Cases whose rationales are shown with another patient's diagnoses, with none in common if possible; 0: none."""


class Question(Section):
    """What decides which ratings a judge is asked for."""

    cases: int = Field(ge=1)
    """Cases of each dataset, drawn from those of `evaluate.cases`; a smaller number draws some of the same."""
    seed: int
    """Another seed draws other cases and controls, and sends the requests in another order."""
    controls: Controls
    """Rationales that are wrong on purpose."""


class Judge(Question):
    """Language models that rate the rationales of a student, its teacher, and the rows of `asked` in table 4."""

    llms: list[str]
    """Keys of `llms`: first the judge of figure 6a, then those that it is compared with; []: no judge."""
    trained: str
    """Key of `models`: the student that is rated, of the first seed, and whose teacher is; none without such a row."""

    @property
    def question(self) -> Question:
        """All but who is asked about whom."""
        return Question(cases=self.cases, seed=self.seed, controls=self.controls)


def judge_problems(judge: Judge, cases: int) -> Iterator[str]:
    """Settings that contradict each other; `cases` is the number of cases on which rationales are compared."""
    if len(set(judge.llms)) < len(judge.llms):
        yield f"evaluate.judge.llms: {judge.llms} contains a language model twice"
    if judge.llms and judge.cases > cases:
        yield f"evaluate.judge.cases: {judge.cases} of evaluate.cases.number, which is {cases}; lower it, or raise that"
    for name, number in judge.controls:
        if judge.llms and number > judge.cases:
            yield f"evaluate.judge.controls.{name}: {number} of evaluate.judge.cases, which is {judge.cases}; lower it"
