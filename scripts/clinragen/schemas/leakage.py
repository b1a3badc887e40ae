"""Table of label leakage in hospital courses; separate from its stage's others because no training reads it."""

import pyarrow as pa

from clinragen.schemas.schema import Column, Table

LEAKAGE = Table(
    "leakage",
    (
        Column("phenotype", pa.string(), "phenotype; micro and macro are the two averages over all of them"),
        Column("stays", pa.int64(), "samples with the label; empty for 1 to 10 patients", nullable=True),
        Column("recall", pa.float64(), "share of them whose course names the phenotype", nullable=True),
        Column("others_named", pa.float64(), "share of the other samples whose course names it", nullable=True),
        Column("precision", pa.float64(), "share with the label among samples whose course names it", nullable=True),
        Column("f1", pa.float64(), "harmonic mean of precision and recall", nullable=True),
    ),
    key=("phenotype",),
)
