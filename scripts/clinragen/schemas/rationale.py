"""Tables of stage rationale."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

RATIONALES = Table(
    "rationales",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("request", pa.string(), "hash of the request in the journal"),
        Column("text", pa.string(), "rationale as the teacher wrote it; empty without one"),
        Column("status", pa.string(), "good, flawed (fails a check), refused, filtered or empty"),
        Column("problems", pa.string(), "problems that the checks report", nullable=True),
        Column("note_cut", pa.int64(), "characters missing at the end of the note in the prompt"),
    ),
    key=("stay_id",),
)

RATIONALE_COUNTS = Table(
    "rationale_counts",
    (
        Column("dataset", pa.string(), "mimic3 or mimic4"),
        Column("teacher", pa.string(), "row of llms; or row of asked, which answers about the test split only"),
        Column("rationale", pa.string(), "note (R^m), lab (R^t), or answer: all of a row of asked about a stay"),
        Column("split", pa.string(), "train, validation or test"),
        Column("kind", pa.string(), "counted property: all, status, problem, or note (whole or cut in the prompt)"),
        Column("value", pa.string(), "the status, the problem, ..."),
        Column("stays", pa.int64(), "stays with it; empty if they are of 1 to 10 patients", nullable=True),
        Column("characters", pa.int64(), "characters cut from the notes of these stays", nullable=True),
    ),
    key=("dataset", "teacher", "rationale", "split", "kind", "value"),
)
