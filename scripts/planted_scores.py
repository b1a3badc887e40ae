"""Command line of rule planted_scores."""

from pathlib import Path

from clinragen.config.evaluate import Bootstrap
from clinragen.step import SharedOut, run


def planted_scores(
    as_is: Path,
    notes_shuffled: Path,
    series_shuffled: Path,
    captions: Path,
    samples: Path,
    evidence: Path,
    bootstrap: Bootstrap,
    dataset: str,
    model: str,
    seed: int,
    scores: SharedOut,
    statements: SharedOut,
) -> None:
    """Write F1 of one run by place of the evidence and shuffled part, and the truth of its lab rationales."""
    import numpy as np
    import pyarrow as pa

    from clinragen.demo.evidence import read_evidence
    from clinragen.evaluate.planted import AS_IS, NOTES, SERIES, group_scores, statement_scores
    from clinragen.schemas.benchmark import CAPTIONS, SAMPLES
    from clinragen.schemas.evaluate import PLANTED, STATEMENTS
    from clinragen.schemas.predictions import PREDICTIONS

    planted = read_evidence(evidence)
    channels = {name: phenotype.channel for name, phenotype in planted.phenotypes.items()}
    files = {AS_IS: as_is, SERIES: series_shuffled, NOTES: notes_shuffled}
    predictions = {condition: PREDICTIONS.read(path).sort_by("stay_id") for condition, path in files.items()}
    cohort = SAMPLES.read(samples, ("stay_id", "subject_id"))
    subjects = dict(zip(cohort["stay_id"].to_pylist(), cohort["subject_id"].to_pylist(), strict=True))
    patients = np.array([subjects[stay] for stay in predictions[AS_IS]["stay_id"].to_pylist()])
    run_of = {"dataset": dataset, "model": model, "seed": seed}
    found = [run_of | row for row in group_scores(predictions, channels, patients, bootstrap)]
    PLANTED.write(pa.Table.from_pylist(found, PLANTED.schema), scores)
    texts = CAPTIONS.read(captions)
    captions_of_stays = dict(zip(texts["stay_id"].to_pylist(), texts["text"].to_pylist(), strict=True))
    variables = list(planted.variables)
    stated = [run_of | row for row in statement_scores(predictions, captions_of_stays, variables, patients, bootstrap)]
    STATEMENTS.write(pa.Table.from_pylist(stated, STATEMENTS.schema), statements)


if __name__ == "__main__":
    run(planted_scores)
