"""Items for a judge: every system's rationale of every case, and controls that are wrong on purpose."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from clinragen.config.judge import Question
from clinragen.evaluate.cases import ranked
from clinragen.evaluate.written import Text, of_cases
from clinragen.rationale.generate import Sample
from clinragen.schemas.judge import ANOTHER_PATIENT, WRONG_DIAGNOSES
from clinragen.schemas.ratings import AS_WRITTEN

Texts = Mapping[int, Text]
"""The blinded texts of one system, by stay."""


@dataclass(frozen=True)
class Item:
    """One rationale as shown to a judge, and its system, which is not shown."""

    sample: Sample
    """Note, captions and diagnoses."""
    system: str
    note_rationale: str
    lab_rationale: str
    condition: str = AS_WRITTEN

    @property
    def words(self) -> int:
        """Number of words of the rationale."""
        return len(f"{self.note_rationale} {self.lab_rationale}".split())


def choose_cases(stays: Sequence[int], number: int, seed: int, purpose: str = "") -> list[int]:
    """Return a random sample of at most `number` stays, ascending.

    A larger sample contains a smaller one. Samples for different purposes are independent.
    """
    return sorted(ranked(stays, seed, purpose)[:number])


def build_items(
    cases: Sequence[Sample], patients: Mapping[int, int], systems: Mapping[str, Texts], question: Question
) -> list[Item]:
    """Return every rationale of the cases, by case and system, then the controls; `patients` is by stay.

    UserError if a system has no row for a case.
    """
    stays = [case.stay_id for case in cases]
    shown = {name: of_cases(texts, stays, f"the rationales of {name}") for name, texts in systems.items()}
    written = [Item(case, name, *texts[n]) for n, case in enumerate(cases) for name, texts in shown.items()]
    return [*written, *_controls(cases, patients, written, question)]


def _controls(
    cases: Sequence[Sample], patients: Mapping[int, int], written: Sequence[Item], question: Question
) -> Iterator[Item]:
    """Yield deliberately wrong rationales, except those without text or equal to the original."""
    of = {(item.sample.stay_id, item.system): item for item in written}
    systems = list(dict.fromkeys(item.system for item in written))
    by_stay = {case.stay_id: case for case in cases}
    seed, numbers = question.seed, question.controls
    swapped = choose_cases(list(by_stay), numbers.swapped, seed, ANOTHER_PATIENT)
    for stay, other in sorted(derangement(swapped, patients, seed).items()):
        for system in systems:
            item, donor = of[stay, system], of[other, system]
            parts = donor.note_rationale, donor.lab_rationale
            if item.words and donor.words and parts != (item.note_rationale, item.lab_rationale):
                yield Item(item.sample, system, *parts, ANOTHER_PATIENT)
    for stay in choose_cases(list(by_stay), numbers.wrong_diagnoses, seed, WRONG_DIAGNOSES):
        wrong = wrong_diagnoses(by_stay[stay], cases, patients, seed)
        for system in systems:
            item = of[stay, system]
            if wrong is not None and item.words:
                yield replace(item, sample=replace(item.sample, diagnoses=wrong), condition=WRONG_DIAGNOSES)


def derangement(stays: Sequence[int], patients: Mapping[int, int], seed: int) -> dict[int, int]:
    """Map each stay to a stay of another patient, one to one; excess stays of a patient with over half are left out.

    The stays, in random order patient by patient, are rotated by the largest number of stays of one patient: then no
    position keeps its patient unless one has more than half of all stays.
    """
    owners = ranked({patients[stay] for stay in stays}, seed, "derangement")
    order = [stay for patient in owners for stay in sorted(stays) if patients[stay] == patient]
    largest = max((sum(patients[stay] == patient for stay in order) for patient in owners), default=0)
    moved = order[largest:] + order[:largest]
    pairs = zip(order, moved, strict=True)
    return {stay: other for stay, other in pairs if patients[stay] != patients[other]}


def wrong_diagnoses(case: Sample, cases: Sequence[Sample], patients: Mapping[int, int], seed: int) -> list[str] | None:
    """Return the diagnoses of another patient with the smallest overlap; None if all others have the same diagnoses.

    Ties prefer at least one disease, then are broken at random.
    """
    own = set(case.diagnoses)
    others = {
        each.stay_id: each.diagnoses
        for each in cases
        if patients[each.stay_id] != patients[case.stay_id] and set(each.diagnoses) != own
    }
    order = ranked(others, seed, str(case.stay_id))
    best = min(order, key=lambda stay: (_overlap(own, set(others[stay])), not others[stay]), default=None)
    return None if best is None else others[best]


def _overlap(a: set[str], b: set[str]) -> float:
    """Return the Jaccard index of two sets."""
    return len(a & b) / max(len(a | b), 1)
