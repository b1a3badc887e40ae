"""Tables of what the models wrote, and of the stays on which rationales are compared."""

from typing import Any

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

PREDICTIONS = Table(
    "predictions",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("output", pa.string(), "text that the model wrote; empty for models that write none"),
        Column(
            "end",
            pa.string(),
            "why it ends: end_mark, stopped (after the diagnoses) or limit (of tokens); empty if a server does not say",
            nullable=True,
        ),
        Column("tokens", pa.int64(), "tokens of the output, end mark included; empty if asked", nullable=True),
        Column("predicted", pa.list_(pa.string()), "phenotypes parsed from the output; none if they were given"),
        Column("unknown", pa.list_(pa.string()), "names in the disease section that match no phenotype"),
        Column("readable", pa.bool_(), "diagnoses could be read; empty for a model that was given them", nullable=True),
        Column("note_rationale", pa.string(), "R^m in the output", nullable=True),
        Column("lab_rationale", pa.string(), "R^t in the output", nullable=True),
        Column("status", pa.string(), "good, flawed (fails a check), refused, filtered or empty; good for a student"),
        Column("problems", pa.string(), "problems that the checks report", nullable=True),
        Column("requests", pa.list_(pa.string()), "hashes of the requests in the journal; none for a student"),
        Column("note_cut", pa.int64(), "characters missing at the end of the note; empty for a student", nullable=True),
        Column("true", pa.list_(pa.string()), "phenotypes of the admission"),
    ),
    key=("stay_id",),
)


def row_without_text(stay: int, predicted: list[str], true: list[str]) -> dict[str, Any]:
    """Return a row of PREDICTIONS of a model that writes no text and only names phenotypes."""
    nothing = {"output": "", "unknown": [], "requests": [], "readable": True, "status": "good"}
    return nothing | {"stay_id": stay, "predicted": predicted, "true": true}


CASES = Table(
    "cases",
    (Column("stay_id", pa.int64(), "ICU stay of the test split on which rationales are compared", identifies=True),),
    key=("stay_id",),
)
