"""Command line of rule planted_scores."""

from pathlib import Path

from clinragen.step import SharedOut, run


def planted_scores(
    as_is: Path,
    notes_shuffled: Path,
    series_shuffled: Path,
    captions: Path,
    evidence: Path,
    dataset: str,
    model: str,
    seed: int,
    scores: SharedOut,
    statements: SharedOut,
) -> None:
    """Write F1 of one run by place of the evidence and shuffled part, and the truth of its lab rationales."""
    from clinragen.demo.evidence import read_evidence
    from clinragen.evaluate.planted import AS_IS, NOTES, SERIES, group_scores, statement_scores
    from clinragen.schemas.benchmark import CAPTIONS
    from clinragen.schemas.evaluate import PLANTED, STATEMENTS
    from clinragen.schemas.predictions import PREDICTIONS

    planted = read_evidence(evidence)
    channels = {name: phenotype.channel for name, phenotype in planted.phenotypes.items()}
    files = {AS_IS: as_is, SERIES: series_shuffled, NOTES: notes_shuffled}
    predictions = {condition: PREDICTIONS.read(path) for condition, path in files.items()}
    PLANTED.write(group_scores(predictions, channels, dataset, model, seed), scores)
    texts = CAPTIONS.read(captions)
    captions_of_stays = dict(zip(texts["stay_id"].to_pylist(), texts["text"].to_pylist(), strict=True))
    stated = statement_scores(predictions, captions_of_stays, list(planted.variables), dataset, model, seed)
    STATEMENTS.write(stated, statements)


if __name__ == "__main__":
    run(planted_scores)
