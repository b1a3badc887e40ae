"""What a judge rates: every system's rationale of every case, and controls that are wrong on purpose."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from clinragen.config.judge import Question
from clinragen.evaluate.cases import ranked
from clinragen.evaluate.written import Text, of_cases
from clinragen.rationale.generate import Sample
from clinragen.schemas.judge import ANOTHER_PATIENT, WRONG_DIAGNOSES
from clinragen.schemas.ratings import AS_WRITTEN

Texts = Mapping[int, Text]
"""What a judge sees of one system, by stay."""


@dataclass(frozen=True)
class Item:
    """One rationale as it is shown to a judge, and whose it is, which the judge never sees."""

    sample: Sample
    """Note, captions and diagnoses."""
    system: str
    note_rationale: str
    lab_rationale: str
    condition: str = AS_WRITTEN

    @property
    def words(self) -> int:
        """Words of the rationale."""
        return len(f"{self.note_rationale} {self.lab_rationale}".split())


def choose_cases(stays: Sequence[int], number: int, seed: int, purpose: str = "") -> list[int]:
    """A random sample of the stays, ascending; all of them where they are no more.

    A larger number keeps those of a smaller one. Samples for different purposes are independent.
    """
    return sorted(ranked(stays, seed, purpose)[:number])


def build_items(
    cases: Sequence[Sample], patients: Mapping[int, int], systems: Mapping[str, Texts], question: Question
) -> list[Item]:
    """Every rationale of the cases and the controls, by case and system, controls last; `patients` by stay.

    UserError if a system has no row for a case: nothing is rated on fewer cases than are asked for.
    """
    stays = [case.stay_id for case in cases]
    shown = {name: of_cases(texts, stays, f"the rationales of {name}") for name, texts in systems.items()}
    written = [Item(case, name, *texts[n]) for n, case in enumerate(cases) for name, texts in shown.items()]
    return [*written, *_controls(cases, patients, written, question)]


def _controls(
    cases: Sequence[Sample], patients: Mapping[int, int], written: Sequence[Item], question: Question
) -> Iterator[Item]:
    """Rationales that are wrong on purpose. One without a text, or the same as written, would tell nothing."""
    of = {(item.sample.stay_id, item.system): item for item in written}
    systems = list(dict.fromkeys(item.system for item in written))
    by_stay = {case.stay_id: case for case in cases}
    seed, numbers = question.seed, question.controls
    chosen = choose_cases(list(by_stay), numbers.swapped, seed, ANOTHER_PATIENT)
    for stay, other in sorted(derangement(chosen, patients, seed).items()):
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
    """Another stay for each, of another patient, each once; stays of a patient who has more than half are left out.

    The stays are put into a random order, patient by patient, and moved on by as many places as the patient with most
    of them has: then no place keeps its patient, as long as nobody has more than half.
    """
    owners = ranked({patients[stay] for stay in stays}, seed, "derangement")
    order = [stay for patient in owners for stay in sorted(stays) if patients[stay] == patient]
    largest = max((sum(patients[stay] == patient for stay in order) for patient in owners), default=0)
    moved = order[largest:] + order[:largest]
    pairs = zip(order, moved, strict=True)
    return {stay: other for stay, other in pairs if patients[stay] != patients[other]}


def wrong_diagnoses(case: Sample, cases: Sequence[Sample], patients: Mapping[int, int], seed: int) -> list[str] | None:
    """The diagnoses of another patient: with none in common if there are any, else with the smallest share in common.

    Among those, some disease rather than none, then at random. None if all others have the same diagnoses.
    """
    own = set(case.diagnoses)
    others = {
        each.stay_id: each.diagnoses
        for each in cases
        if patients[each.stay_id] != patients[case.stay_id] and set(each.diagnoses) != own
    }
    order = ranked(others, seed, str(case.stay_id))
    best = min(order, key=lambda stay: (_in_common(own, set(others[stay])), not others[stay]), default=None)
    return None if best is None else others[best]


def _in_common(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(len(one | other), 1)
