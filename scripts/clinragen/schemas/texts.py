"""Tables of the content of rationales, and of their similarity to the teacher's."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

BERTSCORES = Table(
    "bertscores",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("model", pa.string(), "row of the paper's tables"),
        Column("run", pa.string(), "seed<n> or asked"),
        Column("part", pa.string(), "note (R^m), lab (R^t) or both"),
        Column("precision", pa.float64(), "BERTScore precision against the teacher's text; 0 for an empty text"),
        Column("recall", pa.float64(), "BERTScore recall"),
        Column("f1", pa.float64(), "BERTScore F1"),
    ),
    key=("stay_id", "model", "run", "part"),
)

TEXT_SCORES = Table(
    "text_scores",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("model", pa.string(), "row of the paper's tables; GT is the teacher"),
        Column("part", pa.string(), "note (R^m), lab (R^t) or both"),
        Column("metric", pa.string(), "metric, as listed in docs/decisions.md"),
        Column(
            "value",
            pa.float64(),
            "mean over the seeds; empty if over nothing, or if it reveals a number of few patients",
            nullable=True,
        ),
        Column("std", pa.float64(), "sample standard deviation over the seeds", nullable=True),
        Column("n_seeds", pa.int32(), "seeds; 1 for a model that is asked, and for the teacher"),
        Column("low", pa.float64(), "lower bound of the 95 % interval over resampled patients", nullable=True),
        Column("high", pa.float64(), "upper bound", nullable=True),
        Column("counted", pa.int64(), "texts or statements included, of all seeds; empty if hidden", nullable=True),
        Column("samples", pa.int64(), "cases"),
    ),
    key=("dataset", "model", "part", "metric"),
)

FINDINGS = Table(
    "findings",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("model", pa.string(), "row of the paper's tables; GT is the teacher"),
        Column("run", pa.string(), "seed<n>, asked, or teacher"),
        Column("part", pa.string(), "rationale that contains it: note (R^m) or lab (R^t)"),
        Column("kind", pa.string(), "source that it contradicts: captions, series, true, predicted or note"),
        Column("what", pa.string(), "the statement: a variable with a direction, a disease, or a term"),
        Column("text", pa.string(), "the words around it"),
    ),
    key=("stay_id", "model", "run", "part", "kind", "what"),
)
"""Every statement of a rationale that contradicts something; patient-level."""
