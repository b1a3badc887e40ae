"""Tables of what language models cost: afterwards, and beforehand."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

STAND_IN = "a stand-in"  # remark of an estimate that is zero for that reason

COSTS = Table(
    "costs",
    (
        Column("stage", pa.string(), "terms, note_ or lab_rationale (/ and a variant), asked/ and a row; judge"),
        Column("dataset", pa.string(), "whose text was sent; empty for the knowledge documents", nullable=True),
        Column("llm", pa.string(), "row of llms"),
        Column("provider", pa.string(), "openai, or template: a stand-in, which costs nothing"),
        Column("model", pa.string(), "model that was asked for"),
        Column("served_models", pa.string(), "what the server calls it; several if it changed", nullable=True),
        Column("requests", pa.int64(), "different requests"),
        Column("answers", pa.int64(), "answers that were paid: repairs and answers that were cut count, too"),
        Column("not_in_journal", pa.int64(), "requests whose answers are not in the journal any more"),
        Column("input_tokens", pa.int64(), "tokens of the requests, as the server counts them"),
        Column("output_tokens", pa.int64(), "tokens of the answers"),
        Column("dollars", pa.float64(), "US dollars at the configured price; empty if unknown", nullable=True),
        Column("seconds", pa.float64(), "time from request to answer, in total; 0 for batches"),
        Column("marked", pa.float64(), "share of requests without a good answer; empty for 1 to 10", nullable=True),
    ),
    key=("stage", "dataset", "llm"),
)

ESTIMATE = Table(
    "estimate",
    (
        Column("stage", pa.string(), "terms, note_ or lab_rationale (/ and a variant), asked/ and a row; judge"),
        Column("dataset", pa.string(), "whose text is sent; empty for the knowledge documents", nullable=True),
        Column("llm", pa.string(), "row of llms"),
        Column("requests", pa.int64(), "different requests; empty before they are known", nullable=True),
        Column("answered", pa.int64(), "those that the journal answers", nullable=True),
        Column("calls", pa.int64(), "calls still to be made at most, repairs as often as so far", nullable=True),
        Column("calls_least", pa.int64(), "calls if the key terms become stable as early as possible", nullable=True),
        Column("input_tokens", pa.int64(), "tokens of these calls", nullable=True),
        Column("output_tokens", pa.int64(), "tokens of their answers", nullable=True),
        Column("dollars", pa.float64(), "US dollars at the configured price; empty if unknown", nullable=True),
        Column("hours", pa.float64(), "hours at the configured rates; empty if unknown", nullable=True),
        Column("counted_with", pa.string(), "what the tokens of the calls are counted with", nullable=True),
        Column("output_from", pa.string(), "what the tokens of the answers are taken from", nullable=True),
        Column("bound", pa.bool_(), "it will not be more: nothing in it is a mean, a rule of thumb or left out"),
        Column("remark", pa.string(), "what must run first, or what else to know", nullable=True),
    ),
    key=("stage", "dataset", "llm"),
)
