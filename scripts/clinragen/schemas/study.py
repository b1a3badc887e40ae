"""Tables of the human study."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

KINDS = ("case", "repeat", "attention")
"""Kinds of items: a case, the same case a second time, and one that asks for a given answer."""

STUDY_KEY = Table(
    "study_key",
    (
        Column("study", pa.string(), "name of the study: a hash of its texts, design and orders"),
        Column("rater", pa.string(), "rater"),
        Column("item", pa.int64(), "number of the item in the rater's form"),
        Column("letter", pa.string(), "letter of the text in the item"),
        Column("kind", pa.string(), "case, repeat (a case a second time) or attention (asks for a given answer)"),
        Column("stay_id", pa.int64(), "ICU stay whose note is shown", identifies=True),
        Column(
            "system", pa.string(), "row of the paper's tables; GT is the teacher; empty for attention", nullable=True
        ),
        Column("expected", pa.int64(), "answer that the text asks for; empty for rationales", nullable=True),
        Column("without_text", pa.bool_(), "the system wrote nothing, so there is nothing to rate"),
    ),
    key=("rater", "item", "letter"),
)

STUDY_RATINGS = Table(
    "study_ratings",
    (
        Column("rater", pa.string(), "rater"),
        Column("item", pa.int64(), "number of the item in the rater's form"),
        Column("letter", pa.string(), "letter of the text in the item"),
        Column("kind", pa.string(), "case, repeat or attention"),
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column(
            "system", pa.string(), "row of the paper's tables; GT is the teacher; empty for attention", nullable=True
        ),
        Column("criterion", pa.string(), "correctness, readability, soundness, consistency or persuasiveness"),
        Column("value", pa.int64(), "1 (strongly disagree) to 5 (strongly agree)"),
        Column("expected", pa.int64(), "answer that the text asks for; empty for rationales", nullable=True),
        Column("counted", pa.bool_(), "the rater is not excluded for failed attention checks"),
    ),
    key=("rater", "item", "letter", "criterion"),
)

STUDY_RATERS = Table(
    "study_raters",
    (
        Column("rater", pa.string(), "rater"),
        Column("status", pa.string(), "counted; left out (failed attention checks); or absent (sent no ratings)"),
        Column("cases", pa.int64(), "cases in the rater's form"),
        Column("checks", pa.int64(), "attention checks in it"),
        Column("failed", pa.int64(), "those with at least one other answer; empty if absent", nullable=True),
        Column("mean", pa.float64(), "mean rating; empty if absent or of few patients", nullable=True),
        Column("repeated", pa.int64(), "ratings given a second time; empty if absent", nullable=True),
        Column("same", pa.float64(), "share of them that are the same; empty without any", nullable=True),
    ),
    key=("rater",),
)

STUDY_MODEL = Table(
    "study_model",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("criterion", pa.string(), "criterion; all: the mean of the five"),
        Column("term", pa.string(), "system; or the standard deviation of cases, texts, raters or residuals"),
        Column("estimate", pa.float64(), "rating minus that of the reference; or standard deviation", nullable=True),
        Column("std_error", pa.float64(), "standard error; empty for standard deviations", nullable=True),
        Column("low", pa.float64(), "lower bound of the 95 % interval (Wald)", nullable=True),
        Column("high", pa.float64(), "upper bound", nullable=True),
        Column("p", pa.float64(), "two-sided (Wald); not adjusted", nullable=True),
        Column("reference", pa.string(), "system that the others are compared with"),
        Column("status", pa.string(), "converged; or why there are no estimates"),
    ),
    key=("dataset", "criterion", "term"),
)
