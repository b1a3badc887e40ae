"""The samples: stays with measurements and a hospital course, in their parts."""

import pyarrow as pa
import pyarrow.compute as pc

from clinragen.benchmark.split import split_subjects
from clinragen.config.benchmark import Split
from clinragen.kernel.errors import UserError
from clinragen.tables.benchmark import SAMPLES
from clinragen.tables.extract import ATTRITION


def select_samples(stays: pa.Table, events: pa.Table, courses: pa.Table, settings: Split) -> tuple[pa.Table, pa.Table]:
    """Samples with their part (SAMPLES), and how many stays each condition left over (ATTRITION)."""
    rows, steps = stays.to_pylist(), []

    def keep(step: str, wanted: set[int] | None) -> None:
        nonlocal rows
        rows = [r for r in rows if wanted is None or r["stay_id"] in wanted]
        counts = {name: len({r[name] for r in rows}) for name in ("stay_id", "hadm_id", "subject_id")}
        steps.append(("samples", len(steps) + 1, step, *counts.values(), None))

    keep("stays of the cohort", None)
    keep("with a measurement during the stay", set(pc.unique(events["stay_id"]).to_pylist()))
    keep("with a hospital course", set(courses["stay_id"].to_pylist()))
    parts = split_subjects((r["subject_id"] for r in rows), settings)
    samples = [{k: r[k] for k in ("stay_id", "subject_id", "hadm_id")} | {"part": parts[r["subject_id"]]} for r in rows]
    everything = rows
    for part in ("train", "validation", "test"):
        rows = [r for r in everything if parts[r["subject_id"]] == part]
        if not rows:
            raise UserError(
                f"the {part} part is empty: {len(everything)} stays have measurements and a hospital course; "
                "see the attrition tables of stage extract, and benchmark.split in the configuration"
            )
        keep(f"{part} part", None)
    attrition = pa.Table.from_pylist([dict(zip(ATTRITION.schema.names, s, strict=True)) for s in steps])
    return pa.Table.from_pylist(samples, schema=SAMPLES.schema), attrition.cast(ATTRITION.schema)
