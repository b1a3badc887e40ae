"""Tables of the costs of language models: actual and estimated."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

STAND_IN = "a stand-in"  # remark of an estimate that is zero because it is one

COSTS = Table(
    "costs",
    (
        Column("stage", pa.string(), "terms, note_ or lab_rationale (/ and a variant), asked/ and a row; judge"),
        Column("dataset", pa.string(), "whose text was sent; empty for the knowledge documents", nullable=True),
        Column("llm", pa.string(), "row of llms"),
        Column("provider", pa.string(), "openai, or template: a stand-in, which costs nothing"),
        Column("model", pa.string(), "requested model"),
        Column("served_models", pa.string(), "its name on the server; several if it changed", nullable=True),
        Column("requests", pa.int64(), "different requests"),
        Column("answers", pa.int64(), "answers that were paid for, including repairs and truncated answers"),
        Column("not_in_journal", pa.int64(), "requests whose answers are no longer in the journal"),
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
        Column("answered", pa.int64(), "those with an answer in the journal", nullable=True),
        Column("calls", pa.int64(), "remaining calls at most, with repairs as often as so far", nullable=True),
        Column("calls_least", pa.int64(), "calls if the key terms become stable as early as possible", nullable=True),
        Column("input_tokens", pa.int64(), "tokens of these calls", nullable=True),
        Column("output_tokens", pa.int64(), "tokens of their answers", nullable=True),
        Column("dollars", pa.float64(), "US dollars at the configured price; empty if unknown", nullable=True),
        Column("hours", pa.float64(), "hours at the configured rates; empty if unknown", nullable=True),
        Column("counted_with", pa.string(), "tokenizer that counts the tokens of the calls", nullable=True),
        Column("output_from", pa.string(), "source of the number of tokens of the answers", nullable=True),
        Column("bound", pa.bool_(), "it is an upper bound: nothing in it is a mean, a rule of thumb or left out"),
        Column("remark", pa.string(), "what must run first, or another remark", nullable=True),
    ),
    key=("stage", "dataset", "llm"),
)
