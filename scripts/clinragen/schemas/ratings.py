"""Tables of ratings of rationales, by a language model or by people."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

CRITERIA = ("correctness", "readability", "soundness", "consistency", "persuasiveness")
"""The criteria of the paper's appendix A.5, in its order; from 1 (strongly disagree) to 5 (strongly agree)."""
ALL = "all"
"""The criteria together, in the column of criteria."""
AS_WRITTEN = "as written"
"""The condition of a rationale that is not a control."""
TEACHER = "GT"
"""Name of the teacher among the rated systems, as in the paper's figure 6."""

RATING_SCORES = Table(
    "rating_scores",
    (
        Column("dataset", pa.string(), "MIMIC-III, MIMIC-IV or both"),
        Column("rater", pa.string(), "key of llms; or people"),
        Column("system", pa.string(), "row of the paper's tables; GT is the teacher"),
        Column("condition", pa.string(), "as written; or the control: another patient's rationale, wrong diagnoses"),
        Column("criterion", pa.string(), "correctness, readability, soundness, consistency or persuasiveness"),
        Column("mean", pa.float64(), "mean rating, 1 to 5; empty where few patients are behind it", nullable=True),
        Column("std", pa.float64(), "sample standard deviation of the ratings", nullable=True),
        Column("low", pa.float64(), "lower bound of the 95 % interval over resampled patients", nullable=True),
        Column("high", pa.float64(), "upper bound", nullable=True),
        Column("ratings", pa.int64(), "ratings", nullable=True),
        Column("cases", pa.int64(), "rated cases", nullable=True),
        Column("empty", pa.int64(), "rationales without text, which count as 1", nullable=True),
    ),
    key=("dataset", "rater", "system", "condition", "criterion"),
)

AGREEMENT = Table(
    "agreement",
    (
        Column("dataset", pa.string(), "MIMIC-III, MIMIC-IV or both"),
        Column("raters", pa.string(), "who is compared: people, keys of llms, or one of each"),
        Column("criterion", pa.string(), "criterion; or all"),
        Column("statistic", pa.string(), "ICC(A,1), ICC(C,1), ICC(A,k), alpha, kappa, spearman, pearson, tau, ..."),
        Column("value", pa.float64(), "value; empty where it is not defined", nullable=True),
        Column("low", pa.float64(), "lower bound of the 95 % interval", nullable=True),
        Column("high", pa.float64(), "upper bound", nullable=True),
        Column("n", pa.int64(), "rated texts included"),
        Column("paper", pa.float64(), "value in the paper, where it has one", nullable=True),
    ),
    key=("dataset", "raters", "criterion", "statistic"),
)
