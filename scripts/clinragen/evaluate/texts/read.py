"""Read the files behind the scores of rationales."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clinragen.config.evaluate import Compared
from clinragen.evaluate.texts.faithful import of_captions, of_series
from clinragen.evaluate.texts.key_terms import KeyTerms, specific_terms
from clinragen.evaluate.texts.lab_claims import read_lab_wordings
from clinragen.evaluate.texts.runs import (
    Cases,
    Texts,
    by_case,
    gather_cases,
    read_run,
    read_teacher,
    require_same_labels,
)
from clinragen.evaluate.texts.scores import Facts
from clinragen.rationale.claims import Wordings, read_wordings
from clinragen.registry.stop_words import read_stop_words
from clinragen.schemas.benchmark import CAPTIONS, COURSES, FENCES, LABELS, SAMPLES, SCALES, SERIES
from clinragen.schemas.knowledge import TERMS
from clinragen.schemas.predictions import CASES


@dataclass(frozen=True)
class Cohort:
    """Paths of the tables of a dataset; `terms` has at most one, and none without retrieved knowledge."""

    cases: Path
    samples: Path
    labels: Path
    captions: Path
    courses: Path
    series: Path
    scales: Path
    fences: Path
    terms: list[Path]


@dataclass(frozen=True)
class Words:
    """Paths of the resources that list how texts name diseases and labs, stop words and ordinary words."""

    diseases: Path
    labs: Path
    stop_words: Path
    ordinary: Path


def read_texts(
    predictions: Sequence[Path], runs: Sequence[Compared], notes: Path, labs: Path, cohort: Cohort
) -> tuple[list[Texts], Texts, Cases]:
    """Return the rationales of all runs and of the teacher, and the cases; UserError unless all are of one cohort."""
    cases = gather_cases(CASES.read(cohort.cases), SAMPLES.read(cohort.samples))
    true = by_case(LABELS.read(cohort.labels), "phenotypes", cohort.labels, cases)
    texts = [read_run(path, run, cases) for path, run in zip(predictions, runs, strict=True)]
    require_same_labels(texts, predictions, true)
    return texts, read_teacher(notes, labs, cases, true), cases


def read_facts(teacher: Texts, cases: Cases, cohort: Cohort, words: Words, scaled: bool) -> Facts:
    """Return what rationales are compared with; `scaled`: whether the series are standardized."""
    fences, diseases = FENCES.read(cohort.fences), read_wordings(words.diseases)
    variables = fences["variable"].to_pylist()
    captions = by_case(CAPTIONS.read(cohort.captions), "text", cohort.captions, cases)
    courses = COURSES.read(cohort.courses)
    return Facts(
        teacher,
        of_captions(captions, variables),
        of_series(SERIES.read(cohort.series), SCALES.read(cohort.scales), fences, scaled, cases),
        by_case(courses, "text", cohort.courses, cases),
        read_lab_wordings(words.labs, variables),
        diseases,
        _terms(cohort.terms, words, diseases, courses, cases),
    )


def _terms(files: list[Path], words: Words, diseases: Wordings, courses: pa.Table, cases: Cases) -> KeyTerms | None:
    if not files:
        return None
    stop_words = read_stop_words(words.stop_words)
    tested = courses.filter(pc.is_in(courses["stay_id"], pa.array(sorted(cases.test), pa.int64())))
    notes = tested["text"].to_pylist()
    return specific_terms(TERMS.read(files[0]), stop_words, read_stop_words(words.ordinary), diseases, notes)
