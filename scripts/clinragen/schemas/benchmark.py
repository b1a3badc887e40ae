"""Tables of stage benchmark."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")

LABELS = Table(
    "labels",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("phenotypes", pa.list_(pa.string()), "phenotypes of the admission, in the benchmark's order"),
    ),
    key=("stay_id",),
)

COURSES = Table(
    "courses",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("heading", pa.string(), "heading that introduced the section"),
        Column("text", pa.string(), "cleaned brief hospital course"),
    ),
    key=("stay_id",),
)

SPLIT = Table(
    "split",
    (
        Column("stay_id", pa.int64(), "ICU stay of the cohort", identifies=True),
        Column("subject_id", pa.int64(), "patient", identifies=True),
        Column("hadm_id", pa.int64(), "hospital admission", identifies=True),
        Column("split", pa.string(), "train, validation or test"),
    ),
    key=("stay_id",),
)

SAMPLES = Table(
    "samples",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("subject_id", pa.int64(), "patient", identifies=True),
        Column("hadm_id", pa.int64(), "hospital admission", identifies=True),
        Column("split", pa.string(), "train, validation or test"),
    ),
    key=("stay_id",),
)

SERIES = Table(
    "series",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("steps", pa.int32(), "number of time bins"),
        Column("values", pa.list_(pa.float32()), "bins x variables, row by row, scaled, gaps filled"),
        Column("measured", pa.list_(pa.bool_()), "bins x variables: a real value fell into the bin"),
    ),
    key=("stay_id",),
)

SCALES = Table(
    "scales",
    (
        Column("variable", pa.string(), "variable, in the order of the channels"),
        Column("mean", pa.float64(), "mean over measured bins of the training split"),
        Column("std", pa.float64(), "standard deviation over the same, at least 1e-7"),
        Column("normal", pa.float64(), "value where nothing was measured"),
    ),
    key=("variable",),
)

FENCES = Table(
    "fences",
    (
        Column("variable", pa.string(), "variable"),
        Column("low", pa.float64(), "values at or below are lower than normal"),
        Column("high", pa.float64(), "values above are higher than normal"),
    ),
    key=("variable",),
)

CAPTIONS = Table(
    "captions",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("text", pa.string(), "one sentence per variable (the paper's Table 5)"),
    ),
    key=("stay_id",),
)

PREVALENCE = Table(
    "prevalence",
    (
        Column("phenotype", pa.string(), "phenotype"),
        Column("stays", pa.int64(), "stays of the cohort that have it; empty for 1 to 10 patients", nullable=True),
        Column("share", pa.float64(), "share of the stays; empty for 1 to 10 patients", nullable=True),
        Column("benchmark_train", pa.float64(), "share in the training split of the published benchmark"),
        Column("benchmark_test", pa.float64(), "share in its test split"),
    ),
    key=("phenotype",),
)

UNLABELLED_CODES = Table(
    "unlabelled_codes",
    (
        Column("icd_version", pa.int8(), "9 or 10"),
        Column("icd_code", pa.string(), "code without dot; rare ones share one row"),
        Column("known", pa.bool_(), "the code has a category (CCS, CCSR), which is none of the 25 phenotypes"),
        Column("codes", pa.int64(), "number of codes in the row"),
        Column("stays", pa.int64(), "stays that have one; empty for 1 to 10 patients", nullable=True),
    ),
    key=("icd_version", "icd_code", "known"),
)

HEADINGS = Table(
    "headings",
    (
        Column("heading", pa.string(), "heading variant; (none) where no hospital course was found"),
        Column("stays", pa.int64(), "stays whose course has this heading; empty for 1 to 10 patients", nullable=True),
        Column("share", pa.float64(), "share of the stays that have a note; empty like stays", nullable=True),
    ),
    key=("heading",),
)
