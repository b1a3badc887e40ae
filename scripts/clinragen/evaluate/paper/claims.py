"""The paper's claims, one by one: what its own tables say to them, and what our values do."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from clinragen.evaluate.paper.evidence import Evidence, Gap
from clinragen.evaluate.paper.kinds import Statement, statements
from clinragen.evaluate.paper.register import Claim, Significant
from clinragen.schemas.claims import CLAIMS

HOLDS, CONTRADICTED, NOT_PRINTED = "holds in print", "contradicted in print", "not printed"
REPRODUCED, NOT_REPRODUCED, NOT_DECIDABLE = "reproduced", "not reproduced", "not decidable"
IN_PRINT = (HOLDS, CONTRADICTED, NOT_PRINTED)
VERDICTS = (REPRODUCED, NOT_REPRODUCED, NOT_DECIDABLE)
POWER = "power: the interval contains values that satisfy it and values that do not"
NOT_SIGNIFICANT = "power: a difference that is not significant over these runs may be there"
TARGETS = {
    "table1": "tables/table1.csv",
    "table2": "tables/table2.csv",
    "table4": "tables/texts.csv",
    "table6": "tables/table6.csv",
    "sizes": "tables/parameters.csv",
    "times": "tables/table3.csv",
    "judge": "tables/judge.csv",
    "people": "tables/study.csv",
    "agreement": "tables/study_agreement.csv",
    "discussion": "tables/discussion.csv",
}


@dataclass(frozen=True)
class Answer:
    """What the evidence says to a claim."""

    verdict: str
    decisive: Statement
    """The statement that decides it: the one that fails by most, else an open one, else the one nearest to failing."""
    all: tuple[Statement, ...]
    reason: str | None = None


@dataclass(frozen=True)
class Assessment:
    """A claim, and both answers."""

    claim: Claim
    print: Answer
    ours: Answer

    @property
    def target(self) -> str:
        """The file of the results whose values decide the claim."""
        return TARGETS[self.claim.test.source]


def assess(
    claims: Sequence[Claim], printed: Evidence, ours: Evidence, stand_ins: Sequence[str] = ()
) -> list[Assessment]:
    """Both answers to every claim; with stand-ins, our values are listed and decide nothing."""
    return [Assessment(c, in_print(c, printed), on_ours(c, ours, bool(stand_ins))) for c in claims]


def in_print(claim: Claim, printed: Evidence) -> Answer:
    """Whether a claim holds in the printed values, of which none is doubtful: a tie is no order."""
    found = tuple(statements(claim.test, printed))
    if any(s.lacking is None and not s.holds for s in found):
        return Answer(CONTRADICTED, _decisive(found), found)
    if any(s.lacking for s in found):
        return Answer(NOT_PRINTED, _decisive(found), found)
    return Answer(HOLDS, _decisive(found), found)


def on_ours(claim: Claim, ours: Evidence, stand_ins: bool) -> Answer:
    """Whether a claim is reproduced.

    One statement that surely fails decides against it. Otherwise every statement has to be there, and to hold surely.
    """
    found = tuple(statements(claim.test, ours))
    lacking = [s.lacking for s in found if s.lacking]
    missing = f"missing: {_listed(lacking)}"
    if stand_ins:
        values_of_stand_ins = "stand-ins decide nothing"
        reason = f"{values_of_stand_ins}; {missing}" if lacking else values_of_stand_ins
        return Answer(NOT_DECIDABLE, _decisive(found), found, reason)
    if any(s.holds is False for s in found):
        return Answer(NOT_REPRODUCED, _decisive(found), found)
    if lacking:
        return Answer(NOT_DECIDABLE, _decisive(found), found, missing)
    if any(s.holds is None for s in found):
        reason = NOT_SIGNIFICANT if isinstance(claim.test, Significant) else POWER
        return Answer(NOT_DECIDABLE, _decisive(found), found, reason)
    return Answer(REPRODUCED, _decisive(found), found)


def table_of(assessments: Sequence[Assessment]) -> pa.Table:
    """The answers as a table (CLAIMS)."""
    return pa.Table.from_pylist([_row(each) for each in assessments], schema=CLAIMS.schema)


def _row(each: Assessment) -> dict[str, object]:
    claim, ours, printed = each.claim, each.ours, each.print
    value, low, high = ours.decisive.estimate or (None, None, None)
    has_number = printed.verdict != NOT_PRINTED and printed.decisive.estimate is not None
    return {
        **claim.model_dump(include={"id", "section", "quote", "reading"}),
        "kind": claim.test.kind,
        "target": each.target,
        "in_print": printed.verdict,
        "printed_statement": printed.decisive.text if printed.verdict != NOT_PRINTED else None,
        "printed": round(printed.decisive.estimate.value, 4) if has_number else None,
        "verdict": ours.verdict,
        "reason": ours.reason,
        "statement": ours.decisive.text,
        "value": _rounded(value),
        "low": _rounded(low),
        "high": _rounded(high),
        "statements": len(ours.all),
        "holding": sum(s.holds is True for s in ours.all),
        "failing": sum(s.holds is False for s in ours.all),
    }


def _decisive(found: Sequence[Statement]) -> Statement:
    """Failing ones first, then open ones, then those that hold, the least margin first; last what is not there."""

    def order(statement: Statement) -> tuple[int, float]:
        if statement.lacking:
            return 3, 0.0
        return {False: 0, None: 1, True: 2}[statement.holds], statement.margin

    return min(found, key=order)


def _listed(gaps: Sequence[Gap]) -> str:
    """List everything that is missing, and how to make the first of it: the others are made alike."""
    whats = list(dict.fromkeys(gap.what for gap in gaps))
    listed = ", ".join(f"{what!r}" if ", " in what else what for what in whats)
    how = next((gap.how for gap in gaps if gap.how), "")
    first = f"for {whats[0]}, " if len(whats) > 1 else ""
    return f"{listed}; {first}{how}" if how else listed


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
