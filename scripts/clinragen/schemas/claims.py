"""Tables of the paper's claims."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

CLAIMS = Table(
    "claims",
    (
        Column("id", pa.string(), "name of the claim"),
        Column("section", pa.string(), "section of the paper"),
        Column("quote", pa.string(), "the paper's words, at most a dozen"),
        Column("reading", pa.string(), "the tested statement, in our words"),
        Column("kind", pa.string(), "kind of test"),
        Column("target", pa.string(), "file of the results that decides it"),
        Column("in_print", pa.string(), "holds in print, contradicted in print, or not printed"),
        Column("printed_statement", pa.string(), "the statement that decides it in print", nullable=True),
        Column("printed", pa.float64(), "its value in the paper's tables", nullable=True),
        Column("verdict", pa.string(), "reproduced, not reproduced, or not decidable"),
        Column("reason", pa.string(), "why it is not decidable", nullable=True),
        Column("statement", pa.string(), "the statement that decides it on our values"),
        Column("value", pa.float64(), "its value, ours", nullable=True),
        Column("low", pa.float64(), "lower bound of the 95 % interval", nullable=True),
        Column("high", pa.float64(), "upper bound", nullable=True),
        Column("statements", pa.int32(), "statements that the claim consists of"),
        Column("holding", pa.int32(), "those that hold on our values"),
        Column("failing", pa.int32(), "those that do not"),
    ),
    key=("id",),
)

CONTRADICTIONS = Table(
    "contradictions",
    (
        Column("kind", pa.string(), "kind of contradiction"),
        Column("place", pa.string(), "table, dataset, row and metric"),
        Column("printed", pa.float64(), "the printed value"),
        Column("other", pa.float64(), "the value that it contradicts: printed elsewhere, or derived from others"),
        Column("meaning", pa.string(), "the contradiction in a sentence"),
        Column("claim", pa.string(), "id of the claim that it is about", nullable=True),
    ),
    key=("kind", "place"),
)
