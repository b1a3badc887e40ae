"""Notes of a rehearsal: discharge summaries of realistic length and sections, and shorter notes of other kinds."""

import textwrap
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from clinragen.demo import hospital_course
from clinragen.demo.bulk_cohort import DAY, Cohort, admission_ids, subject_ids
from clinragen.demo.bulk_files import Batch, dates, taken, times
from clinragen.demo.bulk_sizes import Sizes
from clinragen.demo.evidence import Evidence

NOTES_OF_BATCH = 2_000
NO_COURSE = 0.25
"""Share of discharge summaries without a hospital course: about the paper's number of samples remains."""
BANK = 4_000
"""Different sentences."""
SENTENCES = {"course": (20, 40), "present": (10, 20), "examination": (10, 20), "advice": (15, 30), "other": (10, 25)}
"""Fewest and most sentences of a section, and of a note of another kind."""
RESULTS = (45, 90)
"""Fewest and most lines of results."""
OTHER_KINDS = (("Nursing/other", "Report"), ("Radiology", "CHEST (PORTABLE AP)"), ("Nursing", "Nursing Progress Note"))

WHO = ("The patient", "She", "He", "The team", "The consulting service", "The night team")
DID = (
    *("was treated with", "received", "was continued on", "tolerated", "was weaned from", "responded well to"),
    *("was started on", "required", "was maintained on", "completed a course of"),
)
WHAT = (
    *("vancomycin", "metoprolol", "intravenous fluids", "potassium repletion", "heparin", "a proton pump inhibitor"),
    *("supplemental oxygen", "mechanical ventilation", "norepinephrine", "levofloxacin", "oral feeding", "lorazepam"),
    *("hydromorphone", "packed red cells", "a bowel regimen", "chest physiotherapy", "insulin on a sliding scale"),
    *("a central venous line", "an arterial line", "haloperidol", "prednisone", "a nasogastric tube", "warfarin"),
)
WHEN = (
    *("on arrival", "on hospital day {n}", "over the next {n} hours", "until the day of discharge", "for {n} days"),
    *("after review of the imaging", "at a dose of {n} mg", "while cultures were pending", "with close monitoring"),
)
OUTCOME = (
    *("with good effect", "without complications", "and remained afebrile", "and the values came back to normal"),
    *(
        "and urine output stayed above {n} mL",
        "although the blood count fell to {n}",
        "and was transferred to the floor",
    ),
)
TESTS = ("WBC", "Hgb", "Plt", "Na", "K", "Cl", "HCO3", "UreaN", "Creat", "Glucose", "Calcium", "Mg", "ALT", "AST", "pH")


def sentence_bank(evidence: Evidence, rng: np.random.Generator) -> list[str]:
    """Return sentences that notes are composed of: generated ones, and the cues of the planted phenotypes."""
    cues = [f"Notable for {cue}." for p in evidence.phenotypes.values() for cue in p.cues]
    drawn = [[of[i] for i in rng.integers(len(of), size=BANK)] for of in (WHO, DID, WHAT, WHEN, OUTCOME)]
    numbers = rng.integers(2, 400, size=(BANK, 2)).tolist()
    bank = [
        f"{who} {did} {what} {when.replace('{n}', str(a))}, {outcome.replace('{n}', str(b))}."
        for who, did, what, when, outcome, (a, b) in zip(*drawn, numbers, strict=True)
    ]
    return bank + cues * max(1, BANK // (10 * len(cues)))


class Writer:
    """Composes texts from a bank of sentences."""

    def __init__(self, evidence: Evidence, dataset: str, rng: np.random.Generator) -> None:
        self.rng, self.old = rng, dataset == "mimic3"
        self.bank = sentence_bank(evidence, rng)
        self.names = list(evidence.phenotypes)
        self.redact = hospital_course.bracketed if self.old else hospital_course.underscored
        tests, values = rng.integers(len(TESTS), size=BANK).tolist(), rng.integers(1, 300, size=BANK).tolist()
        self.results = [f"{TESTS[t]}-{v / 10:.1f}*" for t, v in zip(tests, values, strict=True)]

    def prose(self, kind: str) -> str:
        """Return filled lines of as many sentences as a section has."""
        low, high = SENTENCES[kind]
        chosen = self.rng.integers(len(self.bank), size=int(self.rng.integers(low, high + 1)))
        return textwrap.fill(" ".join([self.bank[i] for i in chosen.tolist()]), 78, break_on_hyphens=False)

    def discharge_summary(self) -> str:
        """Return a discharge summary of about 1,500 to 2,500 words."""
        rng, redact = self.rng, self.redact
        heading = hospital_course.HEADINGS[int(rng.integers(len(hospital_course.HEADINGS)))]
        course = "" if rng.random() < NO_COURSE else f"{heading if self.old else 'Brief Hospital Course:'}\n"
        numbers = rng.integers(len(self.results), size=6 * int(rng.integers(*RESULTS))).tolist()
        results = [" ".join(self.results[i] for i in numbers[n : n + 6]) for n in range(0, len(numbers), 6)]
        drugs = [
            f"{n}. {WHAT[i]} Sig: One (1) PO DAILY (Daily)." for n, i in enumerate(rng.integers(len(WHAT), size=14), 1)
        ]
        sections = [
            f"Name:  {redact('person', rng)}      Unit No:   {redact('number', rng)}",
            f"Admission Date:  {redact('date', rng)}      Discharge Date:   {redact('date', rng)}",
            "Service:\nMEDICINE",
            "Allergies:\nNo Known Allergies / Adverse Drug Reactions",
            f"History of Present Illness:\n{self.prose('present')}",
            "Past Medical History:\n" + "\n".join(self.names[i] for i in rng.integers(len(self.names), size=3)),
            f"Physical Exam:\n{self.prose('examination')}",
            "Pertinent Results:\n" + "\n".join(results),
            course + self.prose("course"),
            "Medications on Admission:\n" + "\n".join(drugs[:8]),
            "Discharge Medications:\n" + "\n".join(drugs),
            "Discharge Disposition:\nHome With Service",
            f"Discharge Diagnosis:\n{self.names[int(rng.integers(len(self.names)))]}",
            f"Discharge Instructions:\n{self.prose('advice')}",
            f"Followup Instructions:\nPlease call {redact('person', rng)} within 2 weeks.",
        ]
        return "\n\n".join(sections) + "\n"


def notes(cohort: Cohort, sizes: Sizes, dataset: str, evidence: Evidence, rng: np.random.Generator) -> Iterator[Batch]:
    """Yield the columns of NOTEEVENTS or of the discharge notes of MIMIC-IV-Note: the discharge summaries first.

    Admissions with ICU stays have one before all others get one.
    """
    writer = Writer(evidence, dataset, rng)
    with_stays = np.unique(cohort.admission)
    without = np.setdiff1d(np.arange(len(cohort.patient)), with_stays, assume_unique=True)
    summarised = np.resize(np.concatenate([rng.permutation(with_stays), without]), sizes.reports)
    others = rng.integers(len(cohort.patient), size=sizes.notes - sizes.reports)
    done = 0
    for owners, summary in ((summarised, True), (others, False)):
        for start in range(0, len(owners), NOTES_OF_BATCH):
            owner = owners[start : start + NOTES_OF_BATCH]
            texts = [writer.discharge_summary() if summary else writer.prose("other") for _ in owner]
            yield _rows(cohort, owner, done, texts, summary, rng)
            done += len(owner)


def _rows(
    cohort: Cohort, owner: np.ndarray, done: int, texts: list[str], summary: bool, rng: np.random.Generator
) -> Batch:
    number, subject = len(owner), subject_ids(cohort.patient[owner])
    rows = np.arange(done + 1, done + number + 1)
    written = np.floor(cohort.discharged[owner] / DAY) * DAY
    same = np.zeros(number, int)
    kind = same if summary else rng.integers(len(OTHER_KINDS), size=number)
    kinds = [("Discharge summary", "Report")] if summary else OTHER_KINDS
    ids = [f"{s}-DS-{r}" for s, r in zip(subject.to_pylist(), rows.tolist(), strict=True)]
    return {
        "row_id": pa.array(rows),
        "note_id": pa.array(ids),
        "subject_id": subject,
        "hadm_id": admission_ids(owner),
        "note_type": taken(("DS",), same),
        "note_seq": pa.array(rows),
        "chartdate": dates(written),
        "charttime": times(written),
        "storetime": times(written + DAY),
        "category": taken([category for category, _ in kinds], kind),
        "description": taken([description for _, description in kinds], kind),
        "text": pa.array(texts),
    }
