"""Evidence that the synthetic cohort plants per phenotype (resources/demo/evidence.yaml)."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from clinragen.errors import UserError

# Words of the phenotypes' names that say nothing about a disease.
GENERIC = frozenset(
    {
        *("acute", "adult", "care", "caused", "chronic", "disease", "diseases", "disorders", "except", "labor"),
        *("lower", "medical", "other", "procedures", "secondary", "surgical", "that", "transmitted", "unspecified"),
        *("upper", "with", "without"),
    }
)
STEM = 6
"""Letters that two forms of a word share: hypertension, hypertensive; diabetes, diabetic."""


@dataclass(frozen=True)
class Baseline:
    """A variable without evidence, in the unit of resources/variables.csv."""

    mean: float
    sd: float
    low: float
    high: float
    decimals: int


@dataclass(frozen=True)
class Planted:
    """One phenotype's evidence: its channel, cue phrases, shifted means and billing codes."""

    channel: str
    cues: tuple[str, ...]
    shifts: dict[str, float]
    icd9: tuple[str, ...]
    icd10: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """The whole file."""

    variables: dict[str, Baseline]
    phenotypes: dict[str, Planted]
    filler: tuple[str, ...]
    distractors: dict[str, tuple[str, ...]]

    def shift(self, phenotype: str, variable: str) -> float:
        """Return the planted shift of a variable in standard deviations; 0 where the phenotype leaves it alone."""
        base = self.variables[variable]
        return (self.phenotypes[phenotype].shifts.get(variable, base.mean) - base.mean) / base.sd

    def together(self, one: str, other: str) -> bool:
        """Return whether two phenotypes can be distinguished in one stay.

        They do not shift a variable in opposite directions, and each shifts one that the other does not.
        """
        first, second = self.phenotypes[one].shifts, self.phenotypes[other].shifts
        shared = first.keys() & second.keys()
        if any(self.shift(one, v) * self.shift(other, v) < 0 for v in shared):
            return False
        return not shared or (len(shared) < len(first) and len(shared) < len(second))


def read_evidence(path: Path) -> Evidence:
    """Read evidence.yaml; UserError names the key or phenotype that is invalid."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        variables = {name: Baseline(**facts) for name, facts in raw["variables"].items()}
        phenotypes = {
            name: Planted(
                facts["channel"],
                tuple(facts.get("cues", ())),
                facts.get("shifts", {}),
                tuple(facts["icd9"]),
                tuple(facts["icd10"]),
            )
            for name, facts in raw["phenotypes"].items()
        }
        evidence = Evidence(
            variables, phenotypes, tuple(raw["filler"]), {k: tuple(v) for k, v in raw["distractors"].items()}
        )
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: missing or unknown key: {error}") from None
    for name, planted in phenotypes.items():
        has = {"notes": planted.cues and not planted.shifts, "labs": planted.shifts and not planted.cues}
        has["both"] = planted.cues and planted.shifts
        has["neither"] = not planted.cues and not planted.shifts
        if not has.get(planted.channel):
            raise UserError(
                f"{path}: {name}: channel {planted.channel!r} requires cues (notes), shifts (labs), both (both) or "
                "none of them (neither)"
            )
        unknown = sorted(planted.shifts.keys() - variables.keys())
        if unknown:
            raise UserError(f"{path}: {name}: no baseline for {', '.join(unknown)}; add it under variables")
    return evidence


def name_stems(phenotypes: list[str]) -> frozenset[str]:
    """Return the beginnings of the words that give a phenotype's name away."""
    words = {w for name in phenotypes for w in re.findall(r"[a-z]{4,}", name.lower())}
    return frozenset(w[:STEM] for w in words - GENERIC)


def names_in(text: str, stems: frozenset[str]) -> list[str]:
    """Return the words of a text that begin like a word of a phenotype's name."""
    return [w for w in re.findall(r"[a-z]{4,}", text.lower()) if w[:STEM] in stems]
