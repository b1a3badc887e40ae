"""All measures of the rationales of a dataset (TEXT_SCORES), and their contradicted statements (FINDINGS)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa

from clinragen.config.evaluate import Bootstrap
from clinragen.disclosure import all_shown, shown
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
"""Two conventions: only outputs that have the part, as in the released code; all outputs, a missing part scores 0."""


@dataclass(frozen=True)
class Facts:
    """What rationales are compared with, by case; `terms` is None without retrieved knowledge."""

    teacher: Texts
    captions: list[Statements]
    series: list[Statements]
    notes: list[str]
    lab_wordings: LabWordings
    wordings: Wordings
    terms: KeyTerms | None


@dataclass(frozen=True)
class Scored:
    """A measure of a model's texts; `over` [runs, stays] counts the texts or statements behind it.

    `reveals` marks texts [runs, stays] whose number follows from the value and the number of cases.
    """

    model: str
    part: str
    metric: str
    measure: Measure
    over: np.ndarray
    reveals: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Model:
    """The runs of a row of the tables, ordered by seed."""

    name: str
    runs: list[Texts]

    @property
    def parts(self) -> list[str]:
        """The parts that the model writes."""
        return [part for part in PARTS if self.runs[0].part(part) is not None]

    def texts(self, part: str) -> list[list[str | None]]:
        """Return the texts of a part by run and case."""
        return [run.part(part) or [] for run in self.runs]


def score_texts(
    runs: Sequence[Texts],
    facts: Facts,
    bertscores: pa.Table | None,
    dataset: str,
    cases: Cases,
    bootstrap: Bootstrap,
) -> tuple[pa.Table, pa.Table]:
    """Return the scores of all runs and of the teacher (TEXT_SCORES), and the contradicted statements (FINDINGS)."""
    models = [Model(name, list(own)) for name, own in groupby(runs, key=lambda run: run.model)]
    f1 = _f1_by_text(bertscores) if bertscores is not None else None
    scored = [each for model in models for each in _against_teacher(model, facts.teacher, cases, f1)]
    findings: list[dict] = []
    for model in [*models, Model(facts.teacher.model, [facts.teacher])]:
        scored += [*_form(model), *_faithfulness(model, facts, cases, findings)]
    estimates = estimate([each.measure for each in scored], cases.patients, bootstrap)
    rows = []
    for each, own in zip(scored, estimates, strict=True):
        counts = each.over > 0
        few = shown(_patients(counts, cases)) is None or not all_shown(_patients(t, cases) for t in each.reveals)
        counted = None if few or shown(_patients(~counts, cases)) is None else int(each.over.sum())
        values = vars(NOTHING if few else own)
        numbers = {name: None if value is None else round(value, DIGITS) for name, value in values.items()}
        key = {"dataset": dataset, "model": each.model, "part": each.part, "metric": each.metric}
        rows.append(key | numbers | {"n_seeds": len(each.over), "counted": counted, "samples": len(cases.stays)})
    ordered = sorted(findings, key=lambda row: tuple(row[name] for name in FINDINGS.key))
    return (
        pa.Table.from_pylist(rows, schema=TEXT_SCORES.schema),
        pa.Table.from_pylist(ordered, schema=FINDINGS.schema),
    )


def _patients(marked: np.ndarray, cases: Cases) -> int:
    """Return the number of patients with a marked text [runs, stays] in any run."""
    return np.unique(cases.patients[marked.any(axis=0)]).size


def _f1_by_text(bertscores: pa.Table) -> dict[tuple[int, str, str, str], float]:
    names = ("stay_id", "model", "run", "part")
    keys = zip(*(bertscores[name].to_pylist() for name in names), strict=True)
    return dict(zip(keys, bertscores["f1"].to_pylist(), strict=True))


def _against_teacher(
    model: Model, teacher: Texts, cases: Cases, f1_by_text: Mapping[tuple[int, str, str, str], float] | None
) -> Iterator[Scored]:
    """Yield BLEU and BERTScore in both conventions, over the cases with a text of the teacher."""
    for part in model.parts:
        references = {case: text for case, text in enumerate(teacher.part(part) or []) if has_text(text)}
        texts = model.texts(part)
        bleu = np.zeros((len(texts), len(cases.stays)))
        f1, terms = np.zeros(bleu.shape), np.zeros((*bleu.shape, TERMS))
        over = {convention: np.zeros(bleu.shape, bool) for convention in (ALL, MARKED)}
        for run, own in enumerate(texts):
            for case, reference in references.items():
                over[ALL][run, case], over[MARKED][run, case] = True, own[case] is not None
                bleu[run, case], terms[run, case] = sample_bleu(own[case] or "", reference)
                if f1_by_text is not None:
                    f1[run, case] = f1_by_text[cases.stays[case], model.name, model.runs[run].run, part]
        # Divided by each other, the means of both conventions show how many texts have the part.
        reveals = {ALL: (over[MARKED], over[ALL] & ~over[MARKED]), MARKED: ()}
        for convention, counted in over.items():
            measures = {"bleu": share(bleu * counted, counted)}
            measures["corpus_bleu"] = Measure(terms * counted[..., None], corpus_bleu)
            if f1_by_text is not None:
                measures["bertscore"] = share(f1 * counted, counted)
            for metric, measure in measures.items():
                yield Scored(model.name, part, f"{metric}_{convention}", measure, counted, reveals[convention])


def _form(model: Model) -> Iterator[Scored]:
    """Yield text lengths, and the shares of outputs that lack a part or end at the token limit."""
    for part in model.parts:
        texts = model.texts(part)
        words = np.array([[len((text or "").split()) for text in own] for own in texts])
        whole = np.ones(words.shape)
        yield Scored(model.name, part, "words", share(words, words > 0), (words > 0).astype(int))
        yield Scored(model.name, part, "missing", share(words == 0, whole), whole, (words == 0, words > 0))
    ends = [run.cut for run in model.runs]
    if all(ends) and any(cut is not None for own in ends for cut in own):
        defined = np.array([[cut is not None for cut in own] for own in ends])
        cut = np.array([[bool(cut) for cut in own] for own in ends])
        yield Scored(model.name, BOTH, "cut", share(cut, defined), defined, (cut, defined & ~cut))


def _faithfulness(model: Model, facts: Facts, cases: Cases, findings: list[dict]) -> Iterator[Scored]:
    """Yield how the claims of the texts compare with the facts; append the contradicted ones to `findings`."""
    for part in model.parts:
        counts: dict[str, list[Counts]] = {}
        for run, texts in zip(model.runs, model.texts(part), strict=True):
            of_run = {"diseases": disease_counts(texts, facts.wordings, run.true, run.predicted)}
            if part == LAB:
                of_run["labs"] = lab_counts(texts, facts.lab_wordings, facts.captions, facts.series)
            if part == NOTE and facts.terms is not None:
                of_run["terms"] = term_counts(texts, facts.terms, facts.notes)
            for kind, counted in of_run.items():
                counts.setdefault(kind, []).append(counted)
                if part != BOTH:
                    findings += _rows(counted, run, part, cases)
        written = np.array([[bool(text) for text in own] for own in model.texts(part)], dtype=float)
        for kind, own in counts.items():
            for metric, (numerator, denominator) in METRICS[kind].items():
                if {numerator, denominator} - {None} <= own[0].numbers.keys():
                    tops = np.array([each.numbers[numerator] for each in own])
                    below = np.array([each.numbers[denominator] for each in own]) if denominator else written
                    yield Scored(model.name, part, metric, share(tops, below), below)


# Numerator and denominator of each metric, by what is counted; without a denominator, the number of texts.
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
        key = {"stay_id": cases.stays[against.case], "model": run.model, "run": run.run, "part": part}
        yield key | {"kind": against.kind, "what": against.what, "text": against.text}
