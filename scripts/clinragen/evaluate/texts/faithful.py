"""Whether rationales are true to what they are about, without a judge: counted per text, with what contradicts.

Lab claims are compared with the captions T* and with the series, diseases with the labels and the model's own
diagnoses, key terms with the note.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from clinragen.evaluate.planted import statements
from clinragen.evaluate.texts.key_terms import KeyTerms
from clinragen.evaluate.texts.lab_claims import AROUND, HIGHER, LOWER, LabWordings, Statements
from clinragen.evaluate.texts.runs import Cases
from clinragen.rationale.claims import Wordings
from clinragen.schemas.benchmark import SERIES

# Of a standard deviation: what the 32-bit numbers of a series may have lost of a value on its fence.
ROUNDING = 1e-5


@dataclass(frozen=True)
class Contradiction:
    """A statement that something contradicts: `place` is the number of its case."""

    place: int
    kind: str
    what: str
    text: str


@dataclass
class Counts:
    """Numbers by name, one per case, and the statements that are contradicted."""

    numbers: dict[str, np.ndarray]
    against: list[Contradiction] = field(default_factory=list)


def of_captions(captions: Sequence[str], variables: list[str]) -> list[Statements]:
    """What T* says of each case: variables beyond a fence, with the direction."""
    return [statements(text, variables) for text in captions]


def of_series(series: pa.Table, scales: pa.Table, fences: pa.Table, scaled: bool, cases: Cases) -> list[Statements]:
    """The same of the values that fell into the bins of the series of each case (SERIES, SCALES, FENCES).

    The bins hold the last value of each hour, so that less is beyond a fence than by the captions, which count all.
    """
    names = scales["variable"].to_pylist()
    mean, deviation = (
        scales[name].to_numpy() if scaled else np.array([d]) for name, d in (("mean", 0.0), ("std", 1.0))
    )
    margin = ROUNDING * scales["std"].to_numpy()
    bounds = {row["variable"]: (row["low"], row["high"]) for row in fences.to_pylist()}
    low, high = (np.array([bounds[name][side] for name in names]) for side in (0, 1))
    places = {stay: place for place, stay in enumerate(series["stay_id"].to_pylist())}
    found = []
    for row in SERIES.check(series.take([places[stay] for stay in cases.stays]), "series").to_pylist():
        values = np.array(row["values"]).reshape(-1, len(names)) * deviation + mean
        measured = np.array(row["measured"]).reshape(values.shape)
        above = (measured & (values > high + margin)).any(axis=0)
        below = (measured & (values <= low + margin)).any(axis=0)
        found.append(
            {(n, HIGHER) for n, is_so in zip(names, above, strict=True) if is_so}
            | {(n, LOWER) for n, is_so in zip(names, below, strict=True) if is_so}
        )
    return found


def lab_counts(
    texts: Sequence[str | None], wordings: LabWordings, captions: list[Statements], series: list[Statements]
) -> Counts:
    """Claims of lab rationales, those that T* and the series hold, what T* says, and how much of it is claimed."""
    found = Counts({name: np.zeros(len(texts)) for name in ("claims", "captions", "series", "stated", "claimed")})
    for place, text in enumerate(texts):
        claims = wordings.claims(text or "")
        numbers = found.numbers
        numbers["claims"][place] = len(claims)
        for kind, known in (("captions", captions[place]), ("series", series[place])):
            wrong = {claim: words for claim, words in claims.items() if not claim.holds(known)}
            numbers[kind][place] = len(claims) - len(wrong)
            found.against += [Contradiction(place, kind, str(claim), words) for claim, words in wrong.items()]
        numbers["stated"][place] = len(captions[place])
        numbers["claimed"][place] = sum(
            any(variable in c.variables and direction == c.direction for c in claims)
            for variable, direction in captions[place]
        )
    return found


def disease_counts(
    texts: Sequence[str | None], wordings: Wordings, true: list[list[str]], predicted: list[list[str]] | None
) -> Counts:
    """Diseases that rationales claim, and of the true and predicted ones those that they claim.

    A wording of several phenotypes ("diabetes") is right if one of them is.
    """
    found = Counts({"named": np.zeros(len(texts))})
    answers = {"true": true} | ({"predicted": predicted} if predicted is not None else {})
    for kind in answers:
        found.numbers |= {name: np.zeros(len(texts)) for name in (kind, f"of_{kind}", f"{kind}_named")}
    for place, text in enumerate(texts):
        named = _named(text or "", wordings)
        found.numbers["named"][place] = len(named)
        for kind, phenotypes in answers.items():
            given = set(phenotypes[place])
            wrong = {wording: meant for wording, meant in named.items() if not meant & given}
            found.numbers[kind][place] = len(named) - len(wrong)
            found.numbers[f"of_{kind}"][place] = len(given)
            found.numbers[f"{kind}_named"][place] = len(given & set().union(*named.values()))
            found.against += [Contradiction(place, kind, w, excerpt(text or "", w)) for w in wrong]
    return found


def _named(text: str, wordings: Wordings) -> dict[str, frozenset[str]]:
    """Claimed diseases by one of their wordings; one that a more exact wording of the text covers counts once."""
    claimed = {wording: wordings.phenotypes[wording] for wording in wordings.claimed(text, [])}
    found: dict[frozenset[str], str] = {}
    for wording, meant in claimed.items():
        if not any(other < meant for other in claimed.values()):
            found.setdefault(meant, wording)
    return {wording: meant for meant, wording in found.items()}


def term_counts(texts: Sequence[str | None], terms: KeyTerms, notes: Sequence[str]) -> Counts:
    """Key terms of note rationales, and those of them that the note has."""
    found = Counts({name: np.zeros(len(texts)) for name in ("terms", "in_note")})
    for place, text in enumerate(texts):
        stated = terms.stated(text or "")
        strange = sorted(stated - terms.in_note(notes[place])) if stated else []
        found.numbers["terms"][place] = len(stated)
        found.numbers["in_note"][place] = len(stated) - len(strange)
        found.against += [Contradiction(place, "note", term, excerpt(text or "", term)) for term in strange]
    return found


def excerpt(text: str, words: str) -> str:
    """What is around the first occurrence of some words; the beginning of the text where they are worded otherwise."""
    pattern = r"[^a-z0-9]+".join(map(re.escape, re.findall(r"[a-z0-9]+", words.lower())))
    match = re.search(pattern, text.lower())
    place = match.start() if match else 0
    return text[max(0, place - AROUND) : place + AROUND].strip()
