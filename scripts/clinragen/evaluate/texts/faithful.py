"""Faithfulness of rationales without a judge: counts per text, and the contradicted statements.

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

# In standard deviations: the precision that a value on a fence may have lost in the 32-bit series.
ROUNDING = 1e-5


@dataclass(frozen=True)
class Contradiction:
    """A contradicted statement, by the index of its case; `kind` is what contradicts it (FINDINGS)."""

    case: int
    kind: str
    what: str
    text: str


@dataclass
class Counts:
    """Counts by name, each [cases], and the contradicted statements."""

    numbers: dict[str, np.ndarray]
    against: list[Contradiction] = field(default_factory=list)


def of_captions(captions: Sequence[str], variables: list[str]) -> list[Statements]:
    """Return the variables beyond a fence by the captions T* of each case, with the direction."""
    return [statements(text, variables) for text in captions]


def of_series(series: pa.Table, scales: pa.Table, fences: pa.Table, scaled: bool, cases: Cases) -> list[Statements]:
    """Return the same for the values in the series of each case (SERIES, SCALES, FENCES).

    A series has the last value of each hour, so fewer values are beyond a fence than in the captions, which count all.
    `scaled`: whether the series are standardized.
    """
    names = scales["variable"].to_pylist()
    std = scales["std"].to_numpy()
    mean, scale = (scales["mean"].to_numpy(), std) if scaled else (0.0, 1.0)
    margin = ROUNDING * std
    bounds = {row["variable"]: (row["low"], row["high"]) for row in fences.to_pylist()}
    # Categorical variables have neither captions nor fences.
    low, high = (np.array([bounds.get(name, (-np.inf, np.inf))[side] for name in names]) for side in (0, 1))
    index = {stay: n for n, stay in enumerate(series["stay_id"].to_pylist())}
    statements_of_cases = []
    for row in SERIES.check(series.take([index[stay] for stay in cases.stays]), "series").to_pylist():
        values = np.array(row["values"]).reshape(-1, len(names)) * scale + mean
        measured = np.array(row["measured"]).reshape(values.shape)
        above = (measured & (values > high + margin)).any(axis=0)
        below = (measured & (values <= low + margin)).any(axis=0)
        statements_of_cases.append(
            {
                (names[n], direction)
                for direction, beyond in ((HIGHER, above), (LOWER, below))
                for n in beyond.nonzero()[0]
            }
        )
    return statements_of_cases


def lab_counts(
    texts: Sequence[str | None], wordings: LabWordings, captions: list[Statements], series: list[Statements]
) -> Counts:
    """Count the claims of lab rationales, those true by T* and by the series, statements of T*, and those claimed."""
    counts = Counts({name: np.zeros(len(texts)) for name in ("claims", "captions", "series", "stated", "claimed")})
    numbers = counts.numbers
    for case, text in enumerate(texts):
        claims = wordings.claims(text or "")
        numbers["claims"][case] = len(claims)
        for kind, true in (("captions", captions[case]), ("series", series[case])):
            wrong = {claim: words for claim, words in claims.items() if not claim.holds(true)}
            numbers[kind][case] = len(claims) - len(wrong)
            counts.against += [Contradiction(case, kind, str(claim), words) for claim, words in wrong.items()]
        numbers["stated"][case] = len(captions[case])
        numbers["claimed"][case] = sum(
            any(claim.holds({statement}) for claim in claims) for statement in captions[case]
        )
    return counts


def disease_counts(
    texts: Sequence[str | None], wordings: Wordings, true: list[list[str]], predicted: list[list[str]] | None
) -> Counts:
    """Count the diseases that rationales name, and how they overlap with the true and the predicted diagnoses.

    A wording of several phenotypes ("diabetes") is correct if one of them is.
    """
    counts = Counts({"named": np.zeros(len(texts))})
    diagnoses = {"true": true} | ({"predicted": predicted} if predicted is not None else {})
    for kind in diagnoses:
        counts.numbers |= {name: np.zeros(len(texts)) for name in (kind, f"of_{kind}", f"{kind}_named")}
    for case, text in enumerate(texts):
        named = wordings.named(text or "")
        counts.numbers["named"][case] = len(named)
        for kind, phenotypes in diagnoses.items():
            given = set(phenotypes[case])
            wrong = [wording for wording, meant in named.items() if not meant & given]
            counts.numbers[kind][case] = len(named) - len(wrong)
            counts.numbers[f"of_{kind}"][case] = len(given)
            counts.numbers[f"{kind}_named"][case] = len(given & set().union(*named.values()))
            counts.against += [Contradiction(case, kind, w, excerpt(text or "", w)) for w in wrong]
    return counts


def term_counts(texts: Sequence[str | None], terms: KeyTerms, notes: Sequence[str]) -> Counts:
    """Count the key terms of note rationales, and those that occur in the note."""
    counts = Counts({name: np.zeros(len(texts)) for name in ("terms", "in_note")})
    for case, text in enumerate(texts):
        stated = terms.stated(text or "")
        absent = sorted(stated - terms.in_note(notes[case])) if stated else []
        counts.numbers["terms"][case] = len(stated)
        counts.numbers["in_note"][case] = len(stated) - len(absent)
        counts.against += [Contradiction(case, "note", term, excerpt(text or "", term)) for term in absent]
    return counts


def excerpt(text: str, words: str) -> str:
    """Return the text around the first occurrence of some words, or the beginning of the text without a match."""
    pattern = r"[^a-z0-9]+".join(map(re.escape, re.findall(r"[a-z0-9]+", words.lower())))
    match = re.search(pattern, text.lower())
    start = match.start() if match else 0
    return text[max(0, start - AROUND) : start + AROUND].strip()
