"""The samples: stays with measurements, a diagnosis and a hospital course, in their splits."""

import pyarrow as pa

from clinragen.benchmark.split import count_rows, count_splits
from clinragen.errors import UserError
from clinragen.schemas.attrition import Attrition
from clinragen.schemas.benchmark import SAMPLES, SPLITS


def select_samples(split: pa.Table, conditions: dict[str, pa.ChunkedArray]) -> tuple[pa.Table, pa.Table]:
    """Return the stays that meet all conditions (SAMPLES), and how many remain after each (ATTRITION).

    A condition is a name and the stays that meet it, in any order. UserError if a split ends up empty.
    """
    rows, attrition = split.to_pylist(), Attrition("samples")
    attrition.add("stays of the cohort", **count_rows(rows))
    for name, stays in conditions.items():
        meeting = set(stays.unique().to_pylist())
        rows = [r for r in rows if r["stay_id"] in meeting]
        attrition.add(name, **count_rows(rows))
    for split in SPLITS:
        if not any(r["split"] == split for r in rows):
            raise UserError(
                f"the {split} split is empty: {len(rows)} stays are {', '.join(conditions)}; "
                "check the attrition tables of stage extract and benchmark.split in the configuration"
            )
    samples = pa.Table.from_pylist(rows, schema=SAMPLES.schema)
    return samples, pa.concat_tables([attrition.to_table(), count_splits("sample splits", samples)])
