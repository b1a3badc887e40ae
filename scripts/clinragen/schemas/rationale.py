"""Tables of stage rationale."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

RATIONALES = Table(
    "rationales",
    (
        Column("stay_id", pa.int64(), "ICU stay"),
        Column("request", pa.string(), "hash of the request in the journal"),
        Column("text", pa.string(), "rationale as the teacher wrote it; empty without one"),
        Column("status", pa.string(), "good, flawed (fails a check), refused, filtered or empty"),
        Column("problems", pa.string(), "what the checks object to", nullable=True),
        Column("note_cut", pa.int64(), "characters missing at the end of the note in the prompt"),
    ),
    key=("stay_id",),
)
