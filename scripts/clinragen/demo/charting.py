"""Measurements as nurses and laboratories chart them: item ids, units and texts of each system."""

import csv
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from clinragen.demo.cohort import Admission, Stay
from clinragen.demo.evidence import Evidence
from clinragen.demo.signals import Measurement, measure

FIRST_METAVISION_ITEM = 220000
ITEMS_IN_USE = 2
"""Of each variable, the first items of the table: the most frequent ones."""
KG_PER_LB, CM_PER_INCH = 0.453592, 2.54
CAREVUE_UNITS = {
    "Heart Rate": "BPM",
    "Systolic blood pressure": "mmHg",
    "Diastolic blood pressure": "mmHg",
    "Mean blood pressure": "mmHg",
    "Respiratory rate": "BPM",
    "Oxygen saturation": "%",
}
LAB_UNITS = {"Glucose": "mg/dL", "pH": "units"}
LEVELS: dict[tuple[str, str], dict[str, int | None]] = {
    ("Glascow coma scale eye opening", "carevue"): {"4 Spontaneously": 4, "3 To speech": 3},
    ("Glascow coma scale motor response", "carevue"): {"6 Obeys Commands": 6, "5 Localizes Pain": 5},
    ("Glascow coma scale verbal response", "carevue"): {"5 Oriented": 5, "4 Confused": 4},
    ("Glascow coma scale total", "carevue"): {"15": 15, "14": 14},
    ("Capillary refill rate", "carevue"): {"Normal <3 secs": None, "Abnormal >3 secs": None},
    ("Glascow coma scale eye opening", "metavision"): {"Spontaneously": 4, "To Speech": 3, "None": 1},
    ("Glascow coma scale motor response", "metavision"): {"Obeys Commands": 6, "Localizes Pain": 5},
    ("Glascow coma scale verbal response", "metavision"): {"Oriented": 5, "Confused": 4, "No Response-ETT": 0},
    ("Capillary refill rate", "metavision"): {"Normal <3 secs": None, "Abnormal >3 secs": None},
}
"""Texts of the categorical variables, the usual one first, with the number charted next to each."""
DIRT = {
    "Respiratory rate": ">60/minute",
    "Systolic blood pressure": "80/xx",
    "Heart Rate": None,
    "Glucose": "ERROR",
    "pH": None,
}
"""Entries that sometimes replace a value, as in the real files."""
FIRST_DIRTY, DIRTY_EVERY = 5, 400


@dataclass(frozen=True)
class Item:
    """One row of resources/items.csv."""

    itemid: int
    label: str
    unit: str


@dataclass(frozen=True)
class Event:
    """One row of the charts or of the laboratory, which does not record ICU stays."""

    admission: Admission
    stay: Stay
    lab: bool
    variable: str
    time: datetime
    itemid: int
    value: str | None
    number: float | None
    unit: str

    @property
    def number_as_text(self) -> str | None:
        """The number as the tables write it."""
        return None if self.number is None else f"{self.number:g}"


Items = dict[tuple[str, str], list[Item]]


def read_items(path: Path, dataset: str) -> Items:
    """Return the most frequent items per variable and system (carevue, metavision or lab), of blood only."""
    items: Items = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["dataset"] != dataset or row["fluid"] not in ("", "blood"):
                continue
            itemid = int(row["itemid"])
            system = "metavision" if itemid >= FIRST_METAVISION_ITEM else "carevue"
            key = row["variable"], "lab" if row["table"] == "labevents" else system
            items.setdefault(key, []).append(Item(itemid, row["label"], row["unit"]))
    return {key: of_key[:ITEMS_IN_USE] for key, of_key in items.items()}


def chart(admission: Admission, evidence: Evidence, items: Items, rng: np.random.Generator) -> list[Event]:
    """Return all chart and laboratory events of an admission, by stay and time."""
    events = []
    for stay in admission.stays:
        system = "metavision" if stay.metavision else "carevue"
        item_of = {key: of_key[int(rng.integers(len(of_key)))] for key, of_key in items.items()}
        fraction = bool(rng.random() < 0.1)
        for m in measure(stay, admission.admitted, admission.phenotypes, evidence, rng):
            item = item_of[m.variable, "lab" if m.lab else system]
            number = charted(m, item, fraction)
            unit = LAB_UNITS[m.variable] if m.lab else item.unit or CAREVUE_UNITS.get(m.variable, "")
            events.append(Event(admission, stay, m.lab, m.variable, m.time, item.itemid, f"{number:g}", number, unit))
        events += _categories(admission, stay, item_of, system, rng)
        events += _height(admission, stay, items, system, rng)
    return sorted(events, key=lambda e: (e.stay.index, e.time, e.itemid))


def with_dirt(events: list[Event]) -> list[Event]:
    """Return the events of a cohort with one value of DIRTY_EVERY of some variables replaced by DIRT."""
    seen: Counter[str] = Counter()
    entries = []
    for event in events:
        seen[event.variable] += 1
        if event.variable in DIRT and seen[event.variable] % DIRTY_EVERY == FIRST_DIRTY:
            event = replace(event, value=DIRT[event.variable], number=None)
        entries.append(event)
    return entries


def charted(m: Measurement, item: Item, fraction: bool) -> float:
    """Return the value in the unit of the item."""
    if m.variable == "Temperature" and ("Fahrenheit" in item.label or " F" in item.label):
        return round(m.value * 9 / 5 + 32, 1)
    if m.variable == "Weight" and "lb" in item.label:
        return round(m.value / KG_PER_LB, 1)
    if m.variable == "Fraction inspired oxygen" and not fraction:
        return round(m.value * 100)
    return m.value


def _categories(
    admission: Admission, stay: Stay, item_of: dict[tuple[str, str], Item], system: str, rng: np.random.Generator
) -> list[Event]:
    events = []
    for (variable, of), levels in LEVELS.items():
        item = item_of.get((variable, system)) if of == system else None
        if item is None:
            continue
        texts = list(levels)
        for hour in np.arange(1.0, stay.hours, 8.0 if variable.startswith("Capillary") else 4.0):
            text = texts[0] if rng.random() < 0.8 else texts[int(rng.integers(len(texts)))]
            time = stay.intime + (stay.outtime - stay.intime) * float(hour / stay.hours)
            events.append(
                Event(
                    admission,
                    stay,
                    False,
                    variable,
                    time.replace(second=0, microsecond=0),
                    item.itemid,
                    text,
                    levels[text],
                    "",
                )
            )
    return events


def _height(admission: Admission, stay: Stay, items: Items, system: str, rng: np.random.Generator) -> list[Event]:
    """Return the height once, in every unit that the system charts."""
    cm = round(float(rng.normal(169, 9)))
    events = []
    for item in items.get(("Height", system), []):
        number = round(cm / CM_PER_INCH) if "cm" not in item.label else cm
        time = (stay.intime + timedelta(minutes=20)).replace(second=0)
        events.append(Event(admission, stay, False, "Height", time, item.itemid, f"{number:g}", number, item.unit))
    return events


NORMAL_RANGES = {"Glucose": (70, 105), "pH": (7.35, 7.45)}
"""Reference ranges that the laboratory flags against, mg/dL and pH units."""


def abnormal(event: Event) -> bool:
    """Return whether the laboratory flags a result."""
    low, high = NORMAL_RANGES[event.variable]
    return event.number is not None and not low <= event.number <= high
