"""Tables of the questions of the paper's discussion."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

GROUPS = Table(
    "groups",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("age", pa.float64(), "age in years at ICU admission, 90 for all above 89"),
        Column("sex", pa.string(), "F or M, or unknown"),
        Column("unit", pa.string(), "first care unit of the stay; unknown if missing"),
        Column("insurance", pa.string(), "insurance of the admission; unknown if missing"),
    ),
    key=("stay_id",),
)

DISCUSSION = Table(
    "discussion",
    (
        Column("question", pa.string(), "bias, subgroups, knowledge, parity, contamination or leakage"),
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("model", pa.string(), "row of the paper's tables; GT is the teacher"),
        Column("group", pa.string(), "scope: all, a group of patients; or the vocabulary of a row"),
        Column("measure", pa.string(), "measure"),
        Column("value", pa.float64(), "value; empty where few patients are behind it", nullable=True),
        Column("low", pa.float64(), "lower bound of the 95 % interval over resampled patients", nullable=True),
        Column("high", pa.float64(), "upper bound", nullable=True),
        Column("n", pa.int64(), "stays, or pairs of a stay and a disease, of all seeds; empty if few", nullable=True),
        Column("missing", pa.string(), "how to obtain the value, where its row is not configured", nullable=True),
    ),
    key=("question", "dataset", "model", "group", "measure"),
)
