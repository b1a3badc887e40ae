"""Tables of stage evaluate; those that predictions need are in `predictions`."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

SCORES = Table(
    "scores",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("model", pa.string(), "row of the paper's tables"),
        Column("seed", pa.int64(), "seed of the training; empty for a model that is not trained", nullable=True),
        Column("average", pa.string(), "micro or macro"),
        Column("metric", pa.string(), "precision, recall or f1"),
        Column("value", pa.float64(), "value"),
        Column("samples", pa.int64(), "test samples"),
        Column("unreadable", pa.int64(), "those without readable diagnoses, which count as none"),
        Column("cut", pa.int64(), "outputs that end at the limit of tokens"),
        Column("unknown", pa.int64(), "names in the outputs that match no phenotype"),
    ),
    key=("average", "metric"),
)

COMPARISON = Table(
    "comparison",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("model", pa.string(), "row of the paper's table"),
        Column("metric", pa.string(), "average and metric"),
        Column("ours_mean", pa.float64(), "mean over our seeds", nullable=True),
        Column("ours_std", pa.float64(), "sample standard deviation over our seeds", nullable=True),
        Column("low", pa.float64(), "lower bound of the 95 % interval of ours over resampled patients", nullable=True),
        Column("high", pa.float64(), "upper bound", nullable=True),
        Column("n_seeds", pa.int32(), "our seeds; 1 for a model that is asked, 0 where we have no such model"),
        Column("asked", pa.bool_(), "our model is asked once, not trained"),
        Column("paper_mean", pa.float64(), "value in the paper; empty for rows that it does not have", nullable=True),
        Column("paper_std", pa.float64(), "standard deviation in the paper, read as percentage points", nullable=True),
        Column("difference", pa.float64(), "ours minus paper's; empty with stand-ins", nullable=True),
        Column("verdict", pa.string(), "agrees, higher, lower, ...: by the rule in docs/decisions.md"),
        Column("stand_ins", pa.string(), "stand-ins behind our value, which make it not comparable", nullable=True),
        Column("outputs", pa.int64(), "outputs of all our runs", nullable=True),
        Column("cut", pa.int64(), "those that end at the limit of tokens", nullable=True),
        Column("unreadable", pa.int64(), "those without readable diagnoses, which count as none", nullable=True),
        Column("unknown", pa.int64(), "names in them that match no phenotype", nullable=True),
        Column("make", pa.string(), "how to obtain a missing value: configuration and target", nullable=True),
    ),
    key=("dataset", "model", "metric"),
)

BEYOND = Table(
    "beyond",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("model", pa.string(), "row of classifiers"),
        Column("average", pa.string(), "micro or macro"),
        Column("metric", pa.string(), "precision, recall or f1"),
        Column("mean", pa.float64(), "mean over the seeds"),
        Column("std", pa.float64(), "sample standard deviation over the seeds", nullable=True),
        Column("n_seeds", pa.int32(), "seeds; 0 where nothing is learned"),
        Column("samples", pa.int64(), "test samples"),
    ),
    key=("dataset", "model", "average", "metric"),
)

SENSITIVITY = Table(
    "sensitivity",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("model", pa.string(), "row of the model with a variant"),
        Column("average", pa.string(), "micro or macro"),
        Column("f1", pa.float64(), "F1 of the variant, mean over the seeds"),
        Column("without", pa.string(), "row of the same model without the variant"),
        Column("f1_without", pa.float64(), "its F1, mean over the seeds"),
        Column("difference", pa.float64(), "mean difference of the runs of a seed, variant minus other"),
        Column("difference_std", pa.float64(), "its sample standard deviation over the seeds", nullable=True),
        Column("n_seeds", pa.int32(), "seeds"),
    ),
    key=("dataset", "model", "average"),
)

TRAINING = Table(
    "training",
    (
        Column("dataset", pa.string(), "mimic3 or mimic4"),
        Column(
            "student",
            pa.string(),
            "language model, what it writes; vocabulary of its attention, or what it reads and how",
        ),
        Column("seed", pa.int64(), "seed of the training"),
        Column("stage", pa.string(), "phase1, phase2, phase3; or the single stage joint, lora, frozen, classifier"),
        Column("epoch", pa.float64(), "passes over the training split"),
        Column("step", pa.int64(), "steps of the optimizer"),
        Column(
            "measure",
            pa.string(),
            "loss of a section, norm of the gradient, ...; eval_: on the validation split; kept: 1 in its epoch",
        ),
        Column("value", pa.float64(), "value"),
    ),
    key=("dataset", "student", "seed", "stage", "step", "measure"),
)

PARAMETERS = Table(
    "parameters",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("name", pa.string(), "key of models"),
        Column("model", pa.string(), "row of the paper's tables"),
        Column("backbone", pa.string(), "key of backbones"),
        Column("part", pa.string(), "backbone, adapters, series encoder, attention, identity, ...; or total"),
        Column("parameters", pa.int64(), "parameters; tied ones count once, constants do not"),
        Column("trained", pa.int64(), "those of them that the last stage trained"),
        Column("paper", pa.int64(), "size that the paper prints for the row, where it does", nullable=True),
    ),
    key=("dataset", "name", "part"),
)

PLANTED = Table(
    "planted",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("model", pa.string(), "row of the paper's tables"),
        Column("group", pa.string(), "where the evidence of the phenotypes is: labs, both, notes, neither; or all"),
        Column("condition", pa.string(), "as is, or what each test stay took from another: series, notes, labels"),
        Column("seed", pa.int64(), "seed of the training"),
        Column("f1", pa.float64(), "micro F1 over the phenotypes of the group"),
        Column("low", pa.float64(), "lower bound of the 95 % interval over resampled patients", nullable=True),
        Column("high", pa.float64(), "upper bound of that interval", nullable=True),
        Column("samples", pa.int64(), "test samples"),
    ),
    key=("dataset", "model", "group", "condition", "seed"),
)

STATEMENTS = Table(
    "planted_statements",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("model", pa.string(), "row of the paper's tables"),
        Column("condition", pa.string(), "as is, or what each test stay took from another: series, notes"),
        Column("seed", pa.int64(), "seed of the training"),
        Column("statements", pa.int64(), "statements in the lab rationales: a variable above or below its fence"),
        Column("true", pa.int64(), "those that hold for the series of the stay"),
        Column(
            "low",
            pa.float64(),
            "lower bound of the 95 % interval of their share over resampled patients",
            nullable=True,
        ),
        Column("high", pa.float64(), "upper bound of that interval", nullable=True),
    ),
    key=("dataset", "model", "condition", "seed"),
)
