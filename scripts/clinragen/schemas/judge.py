"""Tables of the language models that rate rationales."""

import pyarrow as pa

from clinragen.schemas.ratings import CRITERIA
from clinragen.schemas.schema import Column, Table

ANOTHER_PATIENT = "another patient's rationale"
WRONG_DIAGNOSES = "wrong diagnoses"
CONTROLS = (ANOTHER_PATIENT, WRONG_DIAGNOSES)
"""Conditions of rationales that are wrong on purpose."""
BY_RULE = "by rule"
"""Status of the ratings of a rationale without text: 1 throughout, and no judge is asked."""
LENGTH = "length"
"""The effect that has no control: how the rating grows with the logarithm of the number of words."""

RATINGS = Table(
    "ratings",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("system", pa.string(), "row of the paper's tables; GT is the teacher"),
        Column("condition", pa.string(), "as written; or the control: another patient's rationale, wrong diagnoses"),
        *(Column(name, pa.int8(), "rating, 1 to 5; empty if none can be read", nullable=True) for name in CRITERIA),
        Column("reason", pa.string(), "the judge's reason; empty if no ratings can be read", nullable=True),
        Column("status", pa.string(), "good, flawed (cannot be read), refused, filtered, empty; by rule: without text"),
        Column("problems", pa.string(), "why the ratings cannot be read", nullable=True),
        Column("request", pa.string(), "hash of the request in the journal; empty if by rule", nullable=True),
        Column("words", pa.int64(), "words of the rationale"),
        Column("note_cut", pa.int64(), "characters missing at the end of the note in the prompt"),
    ),
    key=("stay_id", "system", "condition"),
)

JUDGE_EFFECTS = Table(
    "judge_effects",
    (
        Column("dataset", pa.string(), "MIMIC-III, MIMIC-IV or both"),
        Column("rater", pa.string(), "key of llms"),
        Column("effect", pa.string(), "a control; or length"),
        Column("criterion", pa.string(), "criterion; or all, the mean of the five"),
        Column(
            "value",
            pa.float64(),
            "by how much the rating of the same rationale falls; for length, points per doubling of the words",
            nullable=True,
        ),
        Column("low", pa.float64(), "lower bound of the 95 % interval over patients", nullable=True),
        Column("high", pa.float64(), "upper bound", nullable=True),
        Column("n", pa.int64(), "rationales that it is over; empty for few patients", nullable=True),
    ),
    key=("dataset", "rater", "effect", "criterion"),
)
