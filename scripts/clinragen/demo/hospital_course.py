"""Discharge notes of the synthetic cohort: the planted cues in the hospital course, the names elsewhere."""

import textwrap
from collections.abc import Callable

import numpy as np

from clinragen.demo.cohort import Admission
from clinragen.demo.evidence import Evidence

MOST_WORDS, FEWEST_WORDS, FEWEST_SENTENCES, MOST_SENTENCES = 60, 25, 3, 6
CARRIERS = ("The team found {}.", "Assessment revealed {}.", "Records describe {}.", "Notable for {}.")
HEADINGS = (
    "Brief Hospital Course:",
    "HOSPITAL COURSE:",
    "Hospital Course:",
    "BRIEF HOSPITAL COURSE:",
    "SUMMARY OF HOSPITAL COURSE:",
    "HOSPITAL COURSE BY SYSTEM:",
)
"""Headings that the releases use; the older notes of MIMIC-III write capitals."""

Redact = Callable[[str, np.random.Generator], str]
"""Writes the placeholder of a release for a removed `person`, `place`, `date` or `number`."""


def bracketed(what: str, rng: np.random.Generator) -> str:
    """Return a placeholder of MIMIC-III."""
    number = int(rng.integers(10, 9999))
    return {
        "person": f"[**Known lastname {number}**]",
        "place": f"[**Hospital1 {number % 90}**]",
        "date": f"[**21{number % 90 + 10}-{number % 12 + 1}-{number % 28 + 1}**]",
        "number": f"[**Numeric Identifier {number}**]",
    }[what]


def underscored(what: str, rng: np.random.Generator) -> str:
    """Return the placeholder of MIMIC-IV-Note."""
    return "___"


def course(admission: Admission, evidence: Evidence, redact: Redact, rng: np.random.Generator) -> str:
    """Compose three to six sentences, 25 to 60 words: the cues of the admission's phenotypes among neutral ones."""
    cues_of_phenotypes = [evidence.phenotypes[p].cues for p in admission.phenotypes if evidence.phenotypes[p].cues]
    cues_each = 2 if len(cues_of_phenotypes) <= 2 else 1
    sentences = []
    for cues in cues_of_phenotypes:
        phrases = [cues[i] for i in sorted(rng.permutation(len(cues))[:cues_each])]
        sentences.append(str(rng.choice(CARRIERS)).format("; ".join(phrases)))
    number = int(rng.integers(FEWEST_SENTENCES, MOST_SENTENCES + 1))
    for index in rng.permutation(len(evidence.filler)):
        # Counted before redaction, where a placeholder is one word.
        words = sum(len(s.split()) for s in sentences)
        more = len(evidence.filler[index].split())
        if words >= FEWEST_WORDS and (len(sentences) >= number or words + more > MOST_WORDS):
            break
        sentences.insert(int(rng.integers(0, len(sentences) + 1)), evidence.filler[index])
    text = " ".join(sentences)
    while "{" in text:
        start, end = text.index("{"), text.index("}")
        text = text[:start] + redact(text[start + 1 : end], rng) + text[end + 1 :]
    return text


def discharge_note(
    admission: Admission,
    gender: str,
    evidence: Evidence,
    redact: Redact,
    heading: str | None,
    rng: np.random.Generator,
) -> str:
    """Compose a whole discharge summary, without a hospital course if `heading` is None.

    Names of phenotypes occur in the past medical history (one at random) and in the discharge diagnosis, which a
    reader of the hospital course must not see.
    """
    history = str(rng.choice(list(evidence.phenotypes)))
    capitals = heading is not None and heading.isupper()
    parts = [
        ("", f"Name:  {redact('person', rng)}      Unit No:   {redact('number', rng)}"),
        ("", f"Admission Date:  {redact('date', rng)}      Discharge Date:   {redact('date', rng)}"),
        ("", f"Date of Birth:  {redact('date', rng)}      Sex:   {gender}"),
        ("Service:", "MEDICINE"),
        ("Allergies:", "No Known Allergies / Adverse Drug Reactions"),
        ("Chief Complaint:", "Transfer for further evaluation"),
        ("History of Present Illness:", f"The patient presented to {redact('place', rng)} and was sent here."),
        ("Past Medical History:", history),
    ]
    if heading:
        body = textwrap.fill(course(admission, evidence, redact, rng), 72, break_on_hyphens=False)
        parts.append((heading, body))
    parts += [
        ("Medications on Admission:", "1. Aspirin 81 mg PO DAILY\n2. Omeprazole 20 mg PO DAILY"),
        ("Discharge Medications:", "1. Aspirin 81 mg Tablet Sig: One (1) Tablet PO DAILY."),
        ("Discharge Disposition:", "Expired" if admission.died else "Home With Service"),
        ("Discharge Diagnosis:", "\n".join(f"- {p}" for p in admission.phenotypes) or "None"),
        ("Discharge Condition:", "Stable"),
        ("Followup Instructions:", f"Please call {redact('person', rng)} within 2 weeks."),
    ]
    lines = [f"{title.upper() if capitals else title}\n{body}" if title else body for title, body in parts]
    return "\n\n".join(lines) + "\n"
