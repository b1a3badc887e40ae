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
    """Every measure of the rationales of a dataset, and the statements in them that something contradicts."""
    from clinragen.evaluate.texts.bleu import signature
    from clinragen.evaluate.texts.read import Cohort, Words, read_facts, read_texts
    from clinragen.evaluate.texts.scores import score_texts
    from clinragen.runtime.context import Facts
    from clinragen.schemas.texts import BERTSCORES, FINDINGS, TEXT_SCORES

    cohort = Cohort(cases, samples, labels, captions, courses, series, scales, fences, terms)
    words = Words(wordings, lab_wordings, stop_words, rationale_words)
    compared, teacher, chosen = read_texts(predictions, runs.runs, notes, labs, cohort)
    facts = read_facts(teacher, chosen, cohort, words, scaled)
    known = next((BERTSCORES.read(path) for path in bertscores), None)
    table, found = score_texts(compared, facts, known, dataset, chosen, bootstrap)
    TEXT_SCORES.write(table, scores)
    FINDINGS.write(found, findings)
    context.note(Facts({"sacrebleu": {signature()}}))


if __name__ == "__main__":
    run(evaluate_texts)
