"""Tables of the uncertainty of scores."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

INTERVALS = Table(
    "intervals",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("model", pa.string(), "row of the paper's tables"),
        Column("metric", pa.string(), "average and metric, as micro_f1"),
        Column("value", pa.float64(), "mean over the seeds"),
        Column("std", pa.float64(), "sample standard deviation over the seeds", nullable=True),
        Column("n_seeds", pa.int32(), "seeds; 1 for a model that is asked"),
        Column("low", pa.float64(), "lower bound of the 95 % interval over resampled patients"),
        Column("high", pa.float64(), "upper bound"),
        Column("sampling_error", pa.float64(), "standard error of the value over resampled patients"),
        Column("samples", pa.int64(), "test samples"),
        Column("patients", pa.int64(), "patients of the test split"),
    ),
    key=("dataset", "model", "metric"),
)

COMPARISONS = Table(
    "comparisons",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("metric", pa.string(), "micro_f1 or macro_f1"),
        Column("model", pa.string(), "row that a positive difference favours"),
        Column("other", pa.string(), "row that it is compared with"),
        Column("difference", pa.float64(), "value of model minus value of other, means over the seeds"),
        Column("low", pa.float64(), "lower bound of the 95 % interval over resampled patients, the same for both"),
        Column("high", pa.float64(), "upper bound"),
        Column("p_patients", pa.float64(), "two-sided, from the resampled patients"),
        Column("p_welch", pa.float64(), "Welch's t-test over the seeds; empty with fewer than two", nullable=True),
        Column("p_paired", pa.float64(), "paired t-test over the seeds that both have", nullable=True),
        Column("p_patients_holm", pa.float64(), "p_patients, adjusted over all comparisons of the table"),
        Column("p_welch_holm", pa.float64(), "p_welch, adjusted in the same way", nullable=True),
        Column("p_paired_holm", pa.float64(), "p_paired, adjusted in the same way", nullable=True),
        Column("detectable", pa.float64(), "difference detectable on this test split with a power of 80 % at 5 %"),
        Column("paper_difference", pa.float64(), "the same difference of the paper's values", nullable=True),
    ),
    key=("dataset", "metric", "model", "other"),
)

PHENOTYPE_SCORES = Table(
    "phenotype_scores",
    (
        Column("dataset", pa.string(), "MIMIC-III or MIMIC-IV"),
        Column("model", pa.string(), "row of the paper's tables"),
        Column("phenotype", pa.string(), "phenotype"),
        Column("prevalence", pa.float64(), "share of test samples that have it; empty if few patients", nullable=True),
        Column("precision", pa.float64(), "mean over the seeds; empty if few patients have it", nullable=True),
        Column("recall", pa.float64(), "mean over the seeds", nullable=True),
        Column("f1", pa.float64(), "mean over the seeds", nullable=True),
        Column("low", pa.float64(), "lower bound of the 95 % interval of F1 over resampled patients", nullable=True),
        Column("high", pa.float64(), "upper bound", nullable=True),
        Column("difference", pa.float64(), "F1 of the reference row minus this F1; empty for itself", nullable=True),
        Column("p_patients", pa.float64(), "of the difference, two-sided, from the resampled patients", nullable=True),
        Column("q", pa.float64(), "p_patients, adjusted over the phenotypes (Benjamini and Hochberg)", nullable=True),
    ),
    key=("dataset", "model", "phenotype"),
)
