"""Measurements of a stay: noise around each variable's baseline, shifted where a phenotype is planted."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from clinragen.demo.cohort import Stay
from clinragen.demo.evidence import Evidence

VITALS = (
    "Heart Rate",
    "Systolic blood pressure",
    "Diastolic blood pressure",
    "Mean blood pressure",
    "Respiratory rate",
    "Oxygen saturation",
)
HOURS_BETWEEN = {"Fraction inspired oxygen": 3.0, "Temperature": 4.0, "Glucose": 5.0, "pH": 5.0, "Weight": 8.0}
"""Spacing of the rarer variables; the vitals come every one to two hours."""
HOURS_BETWEEN_LABS = 6.0


@dataclass(frozen=True)
class Measurement:
    """One value of one variable, in the unit of resources/variables.csv; `lab` where the laboratory measured it."""

    time: datetime
    variable: str
    value: float
    lab: bool = False


def measure(
    stay: Stay, admitted: datetime, phenotypes: tuple[str, ...], evidence: Evidence, rng: np.random.Generator
) -> list[Measurement]:
    """Return all continuous measurements of a stay by time, with a few laboratory values from before it."""
    course = {v: _Course(v, stay, phenotypes, evidence, rng) for v in evidence.variables}
    rows = []
    times = _times(stay, 1.0, 2.0, rng)
    for variable in VITALS:
        rows += course[variable].at(times, rng)
    for variable, gap in HOURS_BETWEEN.items():
        rows += course[variable].at(_times(stay, 0.8 * gap, 1.2 * gap, rng), rng)
    for variable in ("Glucose", "pH"):
        hours = _times(stay, 0.8 * HOURS_BETWEEN_LABS, 1.2 * HOURS_BETWEEN_LABS, rng)
        rows += course[variable].at(hours, rng, lab=True)
        before = (admitted - stay.intime).total_seconds() / 3600 * 0.5
        rows += course[variable].at(np.array([before]), rng, lab=True)
    return sorted(rows, key=lambda m: m.time)


class _Course:
    """One variable in one stay."""

    def __init__(
        self, variable: str, stay: Stay, phenotypes: tuple[str, ...], evidence: Evidence, rng: np.random.Generator
    ) -> None:
        self.variable, self.stay, self.base = variable, stay, evidence.variables[variable]
        self.own = 0.6 * self.base.sd * float(_noise(1, rng)[0])
        shifts = [evidence.shift(p, variable) for p in phenotypes]
        self.shift = max(shifts, key=abs, default=0.0) * self.base.sd
        # Weight hardly moves within a stay; the rest recovers or begins later.
        whole = variable == "Weight"
        self.start = 0.0 if whole else stay.hours * rng.uniform(0.0, 0.08)
        self.end = stay.hours if whole else self.start + stay.hours * rng.uniform(0.75, 0.92)

    def at(self, hours: np.ndarray, rng: np.random.Generator, lab: bool = False) -> list[Measurement]:
        """Return the values at these hours since admission to the ICU."""
        noise = (0.05 if self.variable == "Weight" else 0.8) * self.base.sd * _noise(len(hours), rng)
        planted = np.where((hours >= self.start) & (hours <= self.end), self.shift, 0.0)
        values = np.clip(self.base.mean + self.own + noise + planted, self.base.low, self.base.high)
        rounded = np.round(values, self.base.decimals)
        return [
            Measurement(_minute(self.stay.intime + timedelta(hours=float(h))), self.variable, float(v), lab)
            for h, v in zip(hours, rounded, strict=True)
        ]


def _times(stay: Stay, low: float, high: float, rng: np.random.Generator) -> np.ndarray:
    """Return hours since admission to the ICU, the first one soon after it."""
    steps = rng.uniform(low, high, int(stay.hours / low) + 2)
    hours = np.cumsum(steps) - steps[0] + rng.uniform(0.1, 1.0)
    return hours[hours < stay.hours - 0.1]


def _noise(number: int, rng: np.random.Generator) -> np.ndarray:
    """Return normal noise, clipped at two standard deviations so that it does not look like planted evidence."""
    return np.clip(rng.standard_normal(number), -2.0, 2.0)


def _minute(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)
