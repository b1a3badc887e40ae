"""Tables of stage audit."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

LINEAGE = Table(
    "lineage",
    (
        Column("output", pa.string(), "file"),
        Column("rule", pa.string(), "rule that wrote it"),
        Column("sharing", pa.string(), "shareable or restricted"),
        Column("bytes", pa.int64(), "size"),
        Column("sha256", pa.string(), "hash"),
        Column("code_digest", pa.string(), "digest of the rule's code"),
        Column("commit", pa.string(), "git commit, with + where the tree was dirty", nullable=True),
        Column("inputs", pa.int32(), "direct inputs"),
        Column("roots", pa.int32(), "files without a record that it descends from: raw files and resources"),
        Column(
            "complete",
            pa.bool_(),
            "every ancestor exists, matches its record and size, and has a record or is a root",
        ),
        Column("stand_ins", pa.string(), "stand-ins among its ancestors", nullable=True),
    ),
    key=("output",),
)

LEFT_OUT = Table(
    "left_out",
    (
        Column("path", pa.string(), "file that the records name and the archive does not contain"),
        Column("bytes", pa.int64(), "size"),
        Column("sha256", pa.string(), "hash"),
        Column("why", pa.string(), "reason"),
    ),
    key=("path",),
)
