"""Tables of stage extract."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

TIME = pa.timestamp("s")
# Names that recur in tens of millions of rows: one byte per row, each name stored once.
FEW_NAMES = pa.dictionary(pa.int8(), pa.string())
MANY_NAMES = pa.dictionary(pa.int32(), pa.string())

STAYS = Table(
    "stays",
    (
        Column("subject_id", pa.int64(), "patient", identifies=True),
        Column("hadm_id", pa.int64(), "hospital admission", identifies=True),
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("intime", TIME, "ICU admission"),
        Column("outtime", TIME, "ICU discharge", nullable=True),
        Column("los_hours", pa.float64(), "length of the ICU stay in hours", nullable=True),
        Column("age", pa.float64(), "age in years at ICU admission, 90 for all above 89"),
        Column("gender", pa.string(), "F or M"),
    ),
    key=("stay_id",),
)

FEATURES = Table(
    "features",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("age", pa.float64(), "age in years at ICU admission, 90 for all above 89"),
        Column("sex", pa.string(), "F or M, or OTHER"),
        Column("admission_type", pa.string(), "type of the admission, upper case; OTHER if missing or unknown"),
    ),
    key=("stay_id",),
)

DIAGNOSES = Table(
    "diagnoses",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("position", pa.int32(), "rank of the code in the admission's billing list", nullable=True),
        Column("icd_version", pa.int8(), "9 or 10"),
        Column("icd_code", pa.string(), "code without dot, leading zeros kept"),
    ),
)

EVENTS = Table(
    "events",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("hours", pa.float64(), "time since ICU admission in hours"),
        Column("variable", FEW_NAMES, "one of the 17 variables"),
        Column(
            "value", pa.float64(), "value in the variable's unit, or its score if categorical; NaN for text without one"
        ),
        Column(
            "text",
            MANY_NAMES,
            "as written in the raw file, for categorical variables and those that keep their text",
            nullable=True,
        ),
    ),
)

NOTES = Table(
    "notes",
    (
        Column("stay_id", pa.int64(), "ICU stay", identifies=True),
        Column("note_id", pa.string(), "row or note identifier in the raw file", identifies=True),
        Column("rank", pa.int32(), "order of reading among the notes of the stay, from 1"),
        Column("text", pa.string(), "discharge summary as written in the raw file"),
    ),
    key=("stay_id", "note_id"),
)

ATTRITION = Table(
    "attrition",
    (
        Column("table", pa.string(), "counted table"),
        Column("order", pa.int32(), "order of the step"),
        Column("step", pa.string(), "description of the step"),
        Column("stays", pa.int64(), "ICU stays left", nullable=True),
        Column("admissions", pa.int64(), "hospital admissions left", nullable=True),
        Column("subjects", pa.int64(), "patients left", nullable=True),
        Column("rows", pa.int64(), "rows left", nullable=True),
    ),
    key=("table", "order"),
)

RELEASE = Table(
    "release",
    (
        Column("dataset", pa.string(), "mimic3 or mimic4"),
        Column("release", pa.string(), "release whose tables have these numbers of rows, if known", nullable=True),
        Column("patients", pa.int64(), "rows of the raw table PATIENTS"),
        Column("icustays", pa.int64(), "rows of the raw table ICUSTAYS"),
    ),
    key=("dataset",),
)

INVENTORY = Table(
    "inventory",
    (
        Column("dataset", pa.string(), "mimic3 or mimic4"),
        Column("release", pa.string(), "release of the raw tables, if known", nullable=True),
        Column("table", pa.string(), "raw table"),
        Column("file", pa.string(), "name of its file"),
        Column("bytes", pa.int64(), "size of the file"),
        Column("sha256", pa.string(), "hash of the file"),
        Column("rule", pa.string(), "rule that read the file"),
    ),
    key=("table",),
)
