"""Tables of stage train."""

import pyarrow as pa
import pyarrow.compute as pc

from clinragen.schemas.schema import Column, Table

NOTE_TOKENS = Table(
    "note_tokens",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("split", pa.string(), "train, validation or test"),
        Column(
            "tokens",
            pa.list_(pa.int32()),
            "ids of the instruction and the note, without start mark; of the note and marks for a text encoder",
        ),
        Column("whole", pa.int32(), "number of tokens if the note were not cut at the end"),
    ),
    key=("stay_id",),
)

CAPTION_TOKENS = Table(
    "caption_tokens",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("split", pa.string(), "train, validation or test"),
        Column("tokens", pa.list_(pa.int32()), "ids of the captions, without start mark; never cut"),
    ),
    key=("stay_id",),
)

TARGET_TOKENS = Table(
    "target_tokens",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("split", pa.string(), "train or validation"),
        Column("tokens", pa.list_(pa.int32()), "ids of the target and its end mark"),
        Column("sections", pa.list_(pa.int8()), "part of each token: 0 diagnoses, 1 note rationale, 2 lab rationale"),
        Column("whole", pa.int32(), "number of tokens if the target were not cut at the end"),
        Column("marked", pa.bool_(), "one of its rationales failed a check, or has no text and is left out"),
    ),
    key=("stay_id",),
)

TEXT_LENGTHS = Table(
    "text_lengths",
    (
        Column("dataset", pa.string(), "mimic3 or mimic4"),
        Column("tokens", pa.string(), "file of tokens, by language model, target and variant"),
        Column("text", pa.string(), "note, target, or lab target, that of phase 2"),
        Column("split", pa.string(), "train, validation or test"),
        Column("texts", pa.int64(), "texts; empty for 1 to 10 patients", nullable=True),
        Column("cut", pa.int64(), "of these longer than the maximum; empty likewise", nullable=True),
        Column("share_cut", pa.float64(), "share of the texts that are cut; empty likewise", nullable=True),
        Column("median", pa.float64(), "median length of the whole texts in tokens; empty likewise", nullable=True),
        Column("p95", pa.float64(), "95th percentile of it; empty likewise", nullable=True),
    ),
    key=("dataset", "tokens", "text", "split"),
)


def is_cut(tokens: pa.Table) -> pa.ChunkedArray:
    """Return a boolean array: which texts of NOTE_TOKENS or TARGET_TOKENS are cut."""
    return pc.greater(tokens["whole"], pc.list_value_length(tokens["tokens"]))
