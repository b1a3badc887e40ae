"""Command line of rule evaluate_texts."""

from pathlib import Path

from clinragen.config.evaluate import Bootstrap, ComparedRuns
from clinragen.step import Context, Out, SharedOut, run


def evaluate_texts(
    context: Context,
    cases: Path,
    samples: Path,
    labels: Path,
    captions: Path,
    courses: Path,
    series: Path,
    scales: Path,
    fences: Path,
    terms: list[Path],
    predictions: list[Path],
    runs: ComparedRuns,
    notes: Path,
    labs: Path,
    bertscores: list[Path],
    wordings: Path,
    lab_wordings: Path,
    stop_words: Path,
    rationale_words: Path,
    scaled: bool,
    dataset: str,
    bootstrap: Bootstrap,
    scores: SharedOut,
    findings: Out,
) -> None:
    """Compute all measures of the rationales of a dataset, and list their contradicted statements."""
    from clinragen.evaluate.texts.bleu import signature
    from clinragen.evaluate.texts.read import Cohort, Words, read_facts, read_texts
    from clinragen.evaluate.texts.scores import score_texts
    from clinragen.runtime.context import Facts
    from clinragen.schemas.texts import BERTSCORES, FINDINGS, TEXT_SCORES

    cohort = Cohort(cases, samples, labels, captions, courses, series, scales, fences, terms)
    words = Words(wordings, lab_wordings, stop_words, rationale_words)
    texts, teacher, compared = read_texts(predictions, runs.runs, notes, labs, cohort)
    facts = read_facts(teacher, compared, cohort, words, scaled)
    similarity = BERTSCORES.read(bertscores[0]) if bertscores else None
    measures, contradicted = score_texts(texts, facts, similarity, dataset, compared, bootstrap)
    TEXT_SCORES.write(measures, scores)
    FINDINGS.write(contradicted, findings)
    context.note(Facts({"sacrebleu": {signature()}}))


if __name__ == "__main__":
    run(evaluate_texts)
