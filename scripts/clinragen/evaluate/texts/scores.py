"""Every measure of the rationales of a dataset (TEXT_SCORES), and what they contradict (FINDINGS)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa

from clinragen.config.evaluate import Bootstrap
from clinragen.disclosure import shown
from clinragen.evaluate.stats.means import NOTHING, Measure, estimate, share
from clinragen.evaluate.texts.bleu import TERMS, corpus_bleu, sample_bleu
from clinragen.evaluate.texts.faithful import Counts, disease_counts, lab_counts, term_counts
from clinragen.evaluate.texts.key_terms import KeyTerms
from clinragen.evaluate.texts.lab_claims import LabWordings, Statements
from clinragen.evaluate.texts.runs import BOTH, LAB, NOTE, PARTS, Cases, Texts, has_text
from clinragen.rationale.claims import Wordings
from clinragen.schemas.texts import FINDINGS, TEXT_SCORES

DIGITS = 5
MARKED, ALL = "marked", "all"
"""The two conventions: outputs that have the part, as the released code counts; all outputs, a missing part as 0."""


@dataclass(frozen=True)
class Facts:
    """What rationales are compared with, by case; `terms` is None where no knowledge was gathered."""

    teacher: Texts
    captions: list[Statements]
    series: list[Statements]
    notes: list[str]
    lab_wordings: LabWordings
    wordings: Wordings
    terms: KeyTerms | None


@dataclass(frozen=True)
class Scored:
    """A measure of a model's texts; `over` [runs, stays] is what it is over: texts, or statements."""

    model: str
    part: str
    metric: str
    measure: Measure
    over: np.ndarray


@dataclass(frozen=True)
class Model:
    """The runs of a row of the tables, in the order of their seeds."""

    name: str
    runs: list[Texts]

    @property
    def parts(self) -> list[str]:
        """The parts that it writes."""
        return [part for part in PARTS if self.runs[0].part(part) is not None]

    def texts(self, part: str) -> list[list[str | None]]:
        """The texts of a part by run and case."""
        return [run.part(part) or [] for run in self.runs]


def score_texts(
    runs: Sequence[Texts],
    facts: Facts,
    bertscores: pa.Table | None,
    dataset: str,
    cases: Cases,
    bootstrap: Bootstrap,
) -> tuple[pa.Table, pa.Table]:
    """The scores of all runs and of the teacher, and the statements that something contradicts."""
    models = [Model(name, list(own)) for name, own in groupby(runs, key=lambda run: run.model)]
    known = _f1_by_text(bertscores) if bertscores is not None else None
    scored = [each for model in models for each in _against_teacher(model, facts.teacher, cases, known)]
    findings: list[dict] = []
    for model in [*models, Model(facts.teacher.model, [facts.teacher])]:
        scored += [*_form(model), *_faithfulness(model, facts, cases, findings)]
    estimates = estimate([each.measure for each in scored], cases.patients, bootstrap)
    rows = []
    for each, found in zip(scored, estimates, strict=True):
        counted: int | None = int(each.over.sum())
        behind = np.unique(cases.patients[each.over.sum(axis=0) > 0]).size
        if shown(behind) is None:
            counted, found = None, NOTHING
        numbers = {name: None if v is None else round(v, DIGITS) for name, v in vars(found).items()}
        key = {"dataset": dataset, "model": each.model, "part": each.part, "metric": each.metric}
        rows.append(key | numbers | {"n_seeds": len(each.over), "counted": counted, "samples": len(cases.stays)})
    ordered = sorted(findings, key=lambda row: tuple(row[name] for name in FINDINGS.key))
    return (
        pa.Table.from_pylist(rows, schema=TEXT_SCORES.schema),
        pa.Table.from_pylist(ordered, schema=FINDINGS.schema),
    )


def _f1_by_text(bertscores: pa.Table) -> dict[tuple[int, str, str, str], float]:
    names = ("stay_id", "model", "run", "part")
    keys = zip(*(bertscores[name].to_pylist() for name in names), strict=True)
    return dict(zip(keys, bertscores["f1"].to_pylist(), strict=True))


def _against_teacher(
    model: Model, teacher: Texts, cases: Cases, known: Mapping[tuple[int, str, str, str], float] | None
) -> Iterator[Scored]:
    """BLEU and BERTScore in both conventions, over the cases that the teacher wrote about."""
    for part in model.parts:
        references = teacher.part(part) or []
        written = np.array([has_text(reference) for reference in references])
        texts = model.texts(part)
        over = {ALL: np.tile(written, (len(texts), 1))}
        over[MARKED] = over[ALL] & np.array([[text is not None for text in own] for own in texts])
        values, terms = np.zeros(over[ALL].shape), np.zeros((*over[ALL].shape, TERMS))
        for run, own in enumerate(texts):
            for place in np.flatnonzero(written):
                values[run, place], terms[run, place] = sample_bleu(own[place] or "", references[place])
        for convention, chosen in over.items():
            yield Scored(model.name, part, f"bleu_{convention}", share(values * chosen, chosen), chosen)
            measure = Measure(terms * chosen[..., None], corpus_bleu)
            yield Scored(model.name, part, f"corpus_bleu_{convention}", measure, chosen)
        if known is not None:
            f1 = np.zeros(values.shape)
            for run, own in enumerate(model.runs):
                for place in np.flatnonzero(written):
                    f1[run, place] = known[cases.stays[place], model.name, own.run, part]
            for convention, chosen in over.items():
                yield Scored(model.name, part, f"bertscore_{convention}", share(f1 * chosen, chosen), chosen)


def _form(model: Model) -> Iterator[Scored]:
    """Lengths, and how many outputs lack a part or were cut."""
    for part in model.parts:
        texts = model.texts(part)
        words = np.array([[len((text or "").split()) for text in own] for own in texts])
        whole = np.ones(words.shape)
        yield Scored(model.name, part, "words", share(words, words > 0), (words > 0).astype(int))
        yield Scored(model.name, part, "missing", share(words == 0, whole), whole)
    ends = [run.cut for run in model.runs]
    if all(ends) and any(cut is not None for own in ends for cut in own):
        known = np.array([[cut is not None for cut in own] for own in ends])
        cut = np.array([[bool(cut) for cut in own] for own in ends])
        yield Scored(model.name, BOTH, "cut", share(cut, known), known)


def _faithfulness(model: Model, facts: Facts, cases: Cases, findings: list[dict]) -> Iterator[Scored]:
    """What the texts claim, against what is known; appends to the findings."""
    for part in model.parts:
        counts: dict[str, list[Counts]] = {"diseases": []}
        for run in model.runs:
            texts = run.part(part) or []
            found = disease_counts(texts, facts.wordings, run.true, run.predicted)
            counts["diseases"].append(found)
            if part == LAB:
                labs = lab_counts(texts, facts.lab_wordings, facts.captions, facts.series)
                counts.setdefault("labs", []).append(labs)
            if part == NOTE and facts.terms is not None:
                counts.setdefault("terms", []).append(term_counts(texts, facts.terms, facts.notes))
            for kind in counts.values() if part != BOTH else ():
                findings += _rows(kind[-1], run, part, cases)
        for kind, own in counts.items():
            for metric, (of, over) in METRICS[kind].items():
                if of in own[0].numbers and (over is None or over in own[0].numbers):
                    tops = np.array([each.numbers[of] for each in own])
                    below = np.array([each.numbers[over] for each in own]) if over else np.ones(tops.shape)
                    yield Scored(model.name, part, metric, share(tops, below), below)


# Metrics by what is counted, and by what it is divided: None is the number of texts.
METRICS: dict[str, dict[str, tuple[str, str | None]]] = {
    "diseases": {
        "named": ("named", None),
        "named_true": ("true", "named"),
        "true_named": ("true_named", "of_true"),
        "named_predicted": ("predicted", "named"),
        "predicted_named": ("predicted_named", "of_predicted"),
    },
    "labs": {
        "lab_claims": ("claims", None),
        "lab_claims_captions": ("captions", "claims"),
        "lab_claims_series": ("series", "claims"),
        "captions_claimed": ("claimed", "stated"),
    },
    "terms": {"terms": ("terms", None), "terms_in_note": ("in_note", "terms")},
}


def _rows(counts: Counts, run: Texts, part: str, cases: Cases) -> Iterator[dict]:
    for against in counts.against:
        own = {"stay_id": cases.stays[against.place], "model": run.model, "run": run.run, "part": part}
        yield own | {"kind": against.kind, "what": against.what, "text": against.text}
