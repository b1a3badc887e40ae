"""The samples: stays with measurements, a diagnosis and a hospital course, in their parts."""

import pyarrow as pa

from clinragen.benchmark.split import PARTS
from clinragen.kernel.errors import UserError
from clinragen.tables.benchmark import SAMPLES
from clinragen.tables.extract import ATTRITION


def select_samples(split: pa.Table, conditions: dict[str, pa.ChunkedArray]) -> tuple[pa.Table, pa.Table]:
    """Stays that meet all conditions, in the part of their patient (SAMPLES), and how many each leaves (ATTRITION).

    A condition is a name and the stays that meet it, in any order.
    """
    rows, steps = split.to_pylist(), []

    def count(step: str, rows: list[dict]) -> None:
        counts = (len({r[name] for r in rows}) for name in ("stay_id", "hadm_id", "subject_id"))
        steps.append(("samples", len(steps) + 1, step, *counts, None))

    count("stays of the cohort", rows)
    for name, stays in conditions.items():
        wanted = set(stays.unique().to_pylist())
        rows = [r for r in rows if r["stay_id"] in wanted]
        count(name, rows)
    for part in PARTS:
        chosen = [r for r in rows if r["part"] == part]
        if not chosen:
            raise UserError(
                f"the {part} part is empty: {len(rows)} stays are {', '.join(conditions)}; "
                "see the attrition tables of stage extract, and benchmark.split in the configuration"
            )
        count(f"{part} part", chosen)
    attrition = pa.Table.from_pylist([dict(zip(ATTRITION.schema.names, s, strict=True)) for s in steps])
    return pa.Table.from_pylist(rows, schema=SAMPLES.schema), attrition.cast(ATTRITION.schema)
