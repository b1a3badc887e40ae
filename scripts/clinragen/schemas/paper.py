"""Tables 3 to 5 and the figures of the paper, with our values."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

TIMES = Table(
    "times",
    (
        Column("stage", pa.string(), "stage, as in the paper's table 3"),
        Column("dataset", pa.string(), "MIMIC-III, MIMIC-IV, or all: the sum over the datasets of this run"),
        Column("jobs", pa.int32(), "jobs included in the times; 0 if there are none"),
        Column("runs", pa.int32(), "seeds whose mean the times are; 1 where nothing is trained"),
        Column("wall_seconds", pa.float64(), "seconds from start to end of the jobs, in total", nullable=True),
        Column("cpu_seconds", pa.float64(), "processor seconds of the jobs; empty if not sampled", nullable=True),
        Column("answer_seconds", pa.float64(), "seconds from request to answer, in total; may overlap", nullable=True),
        Column("dollars", pa.float64(), "US dollars for answers; empty if unknown", nullable=True),
        Column("hardware", pa.string(), "machines that the jobs ran on", nullable=True),
        Column("paper_seconds", pa.float64(), "seconds in the paper, on 2 A100 GPUs of 80 GB", nullable=True),
        Column("verdict", pa.string(), "missing, or not comparable: other machines, or stand-ins"),
        Column("stand_ins", pa.string(), "stand-ins behind our value", nullable=True),
        Column("make", pa.string(), "how to obtain a missing value: configuration and target", nullable=True),
    ),
    key=("stage", "dataset"),
)

SIMILARITY = Table(
    "similarity",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("model", pa.string(), "row of the paper's table 4"),
        Column("metric", pa.string(), "BLEU or BERTScore"),
        Column("convention", pa.string(), "released: as the released code; all, corpus: all cases"),
        Column("ours_mean", pa.float64(), "mean over our seeds", nullable=True),
        Column("ours_std", pa.float64(), "sample standard deviation over our seeds", nullable=True),
        Column("low", pa.float64(), "lower bound of the 95 % interval of ours over resampled patients", nullable=True),
        Column("high", pa.float64(), "upper bound", nullable=True),
        Column("n_seeds", pa.int32(), "our seeds; 1 for a model that is asked, 0 where we have no such model"),
        Column("counted", pa.int64(), "texts included in the value, of all seeds", nullable=True),
        Column("samples", pa.int64(), "cases", nullable=True),
        Column("paper_mean", pa.float64(), "value in the paper; only with the released convention", nullable=True),
        Column("difference", pa.float64(), "ours minus paper's; empty with stand-ins", nullable=True),
        Column("verdict", pa.string(), "agrees, higher, lower, ...: by the rule in docs/decisions.md"),
        Column("stand_ins", pa.string(), "stand-ins behind our value, which make it not comparable", nullable=True),
        Column("make", pa.string(), "how to obtain a missing value: configuration and target", nullable=True),
    ),
    key=("dataset", "model", "metric", "convention"),
)

TEMPLATES = Table(
    "templates",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("condition", pa.string(), "normal, higher, lower or both; or other: not a sentence of the paper"),
        Column("variable", pa.string(), "variable; or all"),
        Column("template", pa.string(), "the paper's sentence, with slots in braces", nullable=True),
        Column("sentences", pa.int64(), "sentences in the captions; empty if of few patients", nullable=True),
        Column("share", pa.float64(), "share of the sentences about the variable", nullable=True),
        Column("verdict", pa.string(), "agrees: the captions have the paper's sentences word for word; else differs"),
    ),
    key=("dataset", "condition", "variable"),
)

EFFICIENCY = Table(
    "efficiency",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("model", pa.string(), "row of the paper's table 1"),
        Column("source", pa.string(), "ours or paper"),
        Column(
            "parameters", pa.int64(), "parameters; a template LLM has none; the paper's: as it prints", nullable=True
        ),
        Column("micro_f1", pa.float64(), "micro F1, mean over the seeds"),
        Column("low", pa.float64(), "lower bound of the 95 % interval over resampled patients", nullable=True),
        Column("high", pa.float64(), "upper bound", nullable=True),
        Column("stand_ins", pa.string(), "stand-ins behind our value, which make it not comparable", nullable=True),
    ),
    key=("dataset", "model", "source"),
)

CASE_COUNTS = Table(
    "case_counts",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("rule", pa.string(), "how a case is chosen, as docs/decisions.md states it"),
        Column("cases", pa.int64(), "cases that meet the rule; empty for 1 to 10 patients", nullable=True),
    ),
    key=("dataset", "rule"),
)
