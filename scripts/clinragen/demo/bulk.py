"""Raw files of a rehearsal at a share of the paper's size: realistic numbers of rows and lengths, no planted evidence.

Everything is drawn as arrays and written batch by batch, so memory does not grow with the events.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from clinragen.demo import bulk_cohort, bulk_notes, bulk_readings
from clinragen.demo.bulk_files import Batch, write_batches
from clinragen.demo.bulk_sizes import sizes_at
from clinragen.demo.charting import Items
from clinragen.demo.evidence import Evidence


def write_raw(
    dataset: str,
    share: float,
    seed: int,
    evidence: Evidence,
    items: Items,
    raw_tables: Path,
    columns: dict[str, list[str]],
    paths: dict[str, Path],
) -> None:
    """Write all raw tables of a dataset at a share of the rows of the release; the same seed gives the same bytes.

    `columns` and `paths` per table as in `raw_tables` (resources/raw_tables.yaml).
    """
    sizes = sizes_at(raw_tables, dataset, share)
    # Tables do not share random numbers: a change of one leaves the others as they are.
    cohort_rng, codes_rng, charts_rng, labs_rng, notes_rng = (
        np.random.default_rng([seed, int(dataset[-1]), table]) for table in range(5)
    )
    cohort = bulk_cohort.draw_cohort(sizes, dataset, cohort_rng)
    palettes = bulk_readings.read_palettes(items, evidence)
    batches: dict[str, Iterable[Batch]] = {
        "patients": [bulk_cohort.patients(cohort)],
        "admissions": [bulk_cohort.admissions(cohort, dataset)],
        "icustays": [bulk_cohort.icu_stays(cohort, dataset)],
        "diagnoses_icd": bulk_cohort.diagnoses(cohort, dataset, sizes.diagnoses, evidence, codes_rng),
        "chartevents": bulk_readings.chart_events(cohort, sizes.chart_rows, palettes, charts_rng),
        "labevents": bulk_readings.lab_events(cohort, sizes.lab_rows, palettes["lab"], labs_rng),
        "noteevents": bulk_notes.notes(cohort, sizes, dataset, evidence, notes_rng),
    }
    for table, of_table in batches.items():
        write_batches(paths[table], columns[table], of_table, upper_case=dataset == "mimic3")
