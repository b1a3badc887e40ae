"""Assess the paper's claims one by one, on its printed tables and on our values."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from clinragen.evaluate.paper.comparison import rounded
from clinragen.evaluate.paper.evidence import Evidence, Gap
from clinragen.evaluate.paper.kinds import Statement, statements
from clinragen.evaluate.paper.register import Claim, Significant
from clinragen.schemas.claims import CLAIMS

HOLDS, CONTRADICTED, NOT_PRINTED = "holds in print", "contradicted in print", "not printed"
REPRODUCED, NOT_REPRODUCED, NOT_DECIDABLE = "reproduced", "not reproduced", "not decidable"
IN_PRINT = (HOLDS, CONTRADICTED, NOT_PRINTED)
VERDICTS = (REPRODUCED, NOT_REPRODUCED, NOT_DECIDABLE)
POWER = "power: the interval contains values that satisfy the statement and values that do not"
NOT_SIGNIFICANT = "power: these runs show no significant difference, which does not exclude one"
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
    """The verdict of some evidence on a claim."""

    verdict: str
    decisive: Statement
    """The statement that fails by most, else an open one, else the one nearest to failing."""
    all: tuple[Statement, ...]
    reason: str | None = None


@dataclass(frozen=True)
class Assessment:
    """A claim with both answers."""

    claim: Claim
    print: Answer
    ours: Answer

    @property
    def target(self) -> str:
        """The file in the results whose values decide the claim."""
        return TARGETS[self.claim.test.source]


def assess(
    claims: Sequence[Claim], printed: Evidence, ours: Evidence, stand_ins: Sequence[str] = ()
) -> list[Assessment]:
    """Return both answers to every claim; values made with stand-ins are listed but decide nothing."""
    return [Assessment(c, in_print(c, printed), on_ours(c, ours, bool(stand_ins))) for c in claims]


def in_print(claim: Claim, printed: Evidence) -> Answer:
    """Decide whether a claim holds in the printed values, which have no intervals: a tie does not satisfy an order."""
    decided = tuple(statements(claim.test, printed))
    if any(s.lacking is None and not s.holds for s in decided):
        return _answer(CONTRADICTED, decided)
    return _answer(NOT_PRINTED if any(s.lacking for s in decided) else HOLDS, decided)


def on_ours(claim: Claim, ours: Evidence, stand_ins: bool) -> Answer:
    """Decide whether a claim is reproduced.

    A single statement whose whole interval fails decides against the claim. Otherwise every statement must have its
    values, and its whole interval must satisfy it.
    """
    decided = tuple(statements(claim.test, ours))
    lacking = [s.lacking for s in decided if s.lacking]
    missing = [f"missing: {_listed(lacking)}"] * bool(lacking)
    if stand_ins:
        return _answer(NOT_DECIDABLE, decided, "; ".join(["stand-ins decide nothing", *missing]))
    if any(s.holds is False for s in decided):
        return _answer(NOT_REPRODUCED, decided)
    if missing:
        return _answer(NOT_DECIDABLE, decided, *missing)
    if any(s.holds is None for s in decided):
        return _answer(NOT_DECIDABLE, decided, NOT_SIGNIFICANT if isinstance(claim.test, Significant) else POWER)
    return _answer(REPRODUCED, decided)


def _answer(verdict: str, decided: tuple[Statement, ...], reason: str | None = None) -> Answer:
    return Answer(verdict, _decisive(decided), decided, reason)


def table_of(assessments: Sequence[Assessment]) -> pa.Table:
    """Return the answers as a table (CLAIMS)."""
    return pa.Table.from_pylist([_row(each) for each in assessments], schema=CLAIMS.schema)


def _row(each: Assessment) -> dict[str, object]:
    claim, ours, printed = each.claim, each.ours, each.print
    value, low, high = ours.decisive.estimate or (None, None, None)
    is_printed = printed.verdict != NOT_PRINTED
    return {
        **claim.model_dump(include={"id", "section", "quote", "reading"}),
        "kind": claim.test.kind,
        "target": each.target,
        "in_print": printed.verdict,
        "printed_statement": printed.decisive.with_p if is_printed else None,
        "printed": rounded(printed.decisive.estimate.value) if is_printed and printed.decisive.estimate else None,
        "verdict": ours.verdict,
        "reason": ours.reason,
        "statement": ours.decisive.with_p,
        "value": rounded(value),
        "low": rounded(low),
        "high": rounded(high),
        "statements": len(ours.all),
        "holding": sum(s.holds is True for s in ours.all),
        "failing": sum(s.holds is False for s in ours.all),
    }


def _decisive(decided: Sequence[Statement]) -> Statement:
    """Return the statement that decides: failing before open before holding before lacking ones, by least margin."""

    def order(statement: Statement) -> tuple[int, float]:
        if statement.lacking:
            return 3, 0.0
        return {False: 0, None: 1, True: 2}[statement.holds], statement.margin

    return min(decided, key=order)


def _listed(gaps: Sequence[Gap]) -> str:
    """List everything that is missing and how to make the first of it; the others are made in the same way."""
    whats = list(dict.fromkeys(gap.what for gap in gaps))
    listed = ", ".join(f"{what!r}" if ", " in what else what for what in whats)
    how = next((gap.how for gap in gaps if gap.how), "")
    first = f"for {whats[0]}, " if len(whats) > 1 else ""
    return f"{listed}; {first}{how}" if how else listed
