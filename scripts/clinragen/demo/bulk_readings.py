"""Chart and laboratory events of a rehearsal: mostly items that no variable uses, which extraction has to filter."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from clinragen.demo import charting
from clinragen.demo.bulk_cohort import HOUR, Cohort, admission_ids, stay_ids, subject_ids
from clinragen.demo.bulk_files import Batch, chunks, spread, taken, times
from clinragen.demo.evidence import Evidence
from clinragen.demo.signals import Measurement

ROWS_OF_BATCH = 250_000
LEVELS = 64
"""Different values of an item."""
IN_USE = {"carevue": 0.16, "metavision": 0.16, "lab": 0.07}
"""Share of the rows whose item belongs to a variable; in the open demo of MIMIC-III 16 and 7 %."""
OTHER_ITEMS = {"carevue": 900, "metavision": 900, "lab": 500}
FIRST_OTHER = {"carevue": 9000, "metavision": 240_000, "lab": 60_000}
"""Identifiers above those of resources/items.csv."""
WITHOUT_STAY, WITHOUT_ADMISSION, OUTPATIENT = 0.002, 0.0005, 0.2
"""Shares of rows that lack an identifier; a fifth of the laboratory's belongs to no admission."""
RARE = ("Height", "Weight", "Capillary refill rate")
"""Variables that are charted a tenth as often as others."""
HEIGHT = (169.0, 9.0)
OTHER_TEXTS = ("Done", "No", "Yes", "Intact", "Normal", "Sinus Rhythm", "Not applicable", None)
STEP = 900.0
"""Seconds between possible times of an event."""


@dataclass(frozen=True)
class Palette:
    """What may be charted in one system: items with `LEVELS` values each, from low to high; a row per item and level.

    `probability` is that of each item; `text`, `number` and `unit` have one value per row.
    """

    probability: np.ndarray
    itemid: np.ndarray
    text: list[str | None]
    number: list[float | None]
    unit: list[str]

    def draw(self, centre: np.ndarray, rng: np.random.Generator) -> dict[str, pa.Array]:
        """Return one reading per value of `centre`, the usual level of its owner."""
        item = np.searchsorted(np.cumsum(self.probability), rng.random(len(centre)))
        item = np.minimum(item, len(self.itemid) - 1)
        level = np.clip(np.round(centre + 6 * rng.standard_normal(len(centre))), 0, LEVELS - 1)
        row = item * LEVELS + level.astype("int64")
        return {
            "itemid": pa.array(self.itemid[item]),
            "value": taken(self.text, row),
            "valuenum": pa.array(self.number, pa.float64()).take(pa.array(row)),
            "valueuom": taken(self.unit, row),
            "flag": taken((None, "abnormal"), (level > LEVELS * 0.8).astype(int)),
        }


def read_palettes(items: charting.Items, evidence: Evidence) -> dict[str, Palette]:
    """Return the palette of each system that the dataset has: carevue, metavision and lab."""
    systems = sorted({system for _, system in items})
    return {system: _palette(system, items, evidence) for system in systems}


def chart_events(
    cohort: Cohort, rows: int, palettes: Mapping[str, Palette], rng: np.random.Generator
) -> Iterator[Batch]:
    """Yield the columns of CHARTEVENTS, stay by stay, as many rows per stay as it is long."""
    counts = spread(cohort.outtime - cohort.intime, rows)
    centre = LEVELS / 2 + 6 * rng.standard_normal(len(counts))
    done = 0
    for system in (s for s in ("carevue", "metavision") if s in palettes):
        stays = np.flatnonzero(cohort.metavision == (system == "metavision"))
        for part in chunks(counts[stays], ROWS_OF_BATCH):
            owner = np.repeat(stays[part], counts[stays[part]])
            readings = palettes[system].draw(centre[owner], rng)
            yield _charted(cohort, owner, done, rng) | readings
            done += len(owner)


def lab_events(cohort: Cohort, rows: int, palette: Palette, rng: np.random.Generator) -> Iterator[Batch]:
    """Yield the columns of LABEVENTS, admission by admission."""
    counts = spread(cohort.discharged - cohort.admitted, rows)
    centre = LEVELS / 2 + 6 * rng.standard_normal(len(counts))
    done = 0
    for part in chunks(counts, ROWS_OF_BATCH):
        owner = np.repeat(np.arange(part.start, part.stop), counts[part])
        start, end = cohort.admitted[owner], cohort.discharged[owner]
        charted = _moments(start, end, rng)
        numbers = pa.array(done + np.arange(1, len(owner) + 1))
        yield {
            "row_id": numbers,
            "labevent_id": numbers,
            "specimen_id": numbers,
            "subject_id": subject_ids(cohort.patient[owner]),
            "hadm_id": admission_ids(owner, rng.random(len(owner)) < OUTPATIENT),
            "charttime": times(charted),
            "storetime": times(charted + HOUR),
            "priority": taken(("ROUTINE", "STAT"), rng.integers(2, size=len(owner))),
        } | palette.draw(centre[owner], rng)
        done += len(owner)


def _charted(cohort: Cohort, owner: np.ndarray, done: int, rng: np.random.Generator) -> Batch:
    number, admission = len(owner), cohort.admission[owner]
    charted = _moments(cohort.intime[owner], cohort.outtime[owner], rng)
    stay = stay_ids(owner, rng.random(number) < WITHOUT_STAY)
    caregiver = pa.array(14_000 + owner % 90)
    zero = pa.array(np.zeros(number, int))
    return {
        "row_id": pa.array(done + np.arange(1, number + 1)),
        "subject_id": subject_ids(cohort.patient[admission]),
        "hadm_id": admission_ids(admission, rng.random(number) < WITHOUT_ADMISSION),
        "icustay_id": stay,
        "stay_id": stay,
        "charttime": times(charted),
        "storetime": times(charted + HOUR / 4),
        "cgid": caregiver,
        "caregiver_id": caregiver,
        "warning": zero,
        "error": zero,
    }


def _moments(start: np.ndarray, end: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a moment between start and end for each row, in steps as nurses chart."""
    return start + np.floor(rng.random(len(start)) * (end - start) / STEP) * STEP


def _palette(system: str, items: charting.Items, evidence: Evidence) -> Palette:
    weights, itemids = [], []
    text: list[str | None] = []
    number: list[float | None] = []
    unit: list[str] = []
    for (variable, of), of_key in sorted(items.items()):
        if of != system:
            continue
        for rank, item in enumerate(of_key):
            weights.append((0.1 if variable in RARE else 1.0) / 2**rank)
            itemids.append(item.itemid)
            rows = _levels(variable, system, item, evidence)
            text += [t for t, _ in rows]
            number += [n for _, n in rows]
            unit += [charting.LAB_UNITS.get(variable, "") if system == "lab" else item.unit] * LEVELS
    used = IN_USE[system] * np.array(weights) / sum(weights)
    others = OTHER_ITEMS[system]
    # A few items make up most rows, as in MIMIC.
    frequency = 1.0 / np.arange(1, others + 1)
    for index in range(others):
        numeric = index % 2 == 0
        number += [float(level + index) if numeric else None for level in range(LEVELS)]
        text += [str(level + index) if numeric else OTHER_TEXTS[level % len(OTHER_TEXTS)] for level in range(LEVELS)]
        unit += ["mL" if numeric else ""] * LEVELS
    return Palette(
        np.concatenate([used, (1 - IN_USE[system]) * frequency / frequency.sum()]),
        np.concatenate([np.array(itemids, "int64"), FIRST_OTHER[system] + np.arange(others)]),
        text,
        number,
        unit,
    )


def _levels(
    variable: str, system: str, item: charting.Item, evidence: Evidence
) -> list[tuple[str | None, float | None]]:
    """Return the values of an item from low to high, as text and number; the highest is dirt where there is any."""
    if levels := charting.LEVELS.get((variable, system)) or charting.LEVELS.get((variable, "carevue")):
        texts = list(levels.items())
        return [(texts[i * len(texts) // LEVELS][0], texts[i * len(texts) // LEVELS][1]) for i in range(LEVELS)]
    if variable == "Height":
        mean, sd, low, high, decimals = *HEIGHT, 100.0, 220.0, 0
    else:
        base = evidence.variables[variable]
        mean, sd, low, high, decimals = base.mean, base.sd, base.low, base.high, base.decimals
    values = np.clip(np.linspace(mean - 4 * sd, mean + 4 * sd, LEVELS), low, high)
    measured = (Measurement(datetime(2110, 1, 1), variable, round(float(v), decimals)) for v in values)
    numbers = [charting.charted(m, item, fraction=False) for m in measured]
    rows: list[tuple[str | None, float | None]] = [(f"{n:g}", float(n)) for n in numbers]
    return [*rows[:-1], (charting.DIRT[variable], None)] if variable in charting.DIRT else rows
