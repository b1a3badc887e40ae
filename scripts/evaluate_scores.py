"""Command line of rule evaluate_scores."""

from pathlib import Path

from clinragen.step import SharedOut, run


def evaluate_scores(
    predictions: Path, phenotypes: Path, dataset: str, model: str, of_run: str, scores: SharedOut
) -> None:
    """Micro and macro precision, recall and F1 of one run: `seed<n>` of a training, `asked`, or `untrained`."""
    from clinragen.evaluate.scores import score
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.schemas.evaluate import PREDICTIONS, SCORES

    names, seed = read_phenotypes(phenotypes), int(of_run[4:]) if of_run.startswith("seed") else None
    SCORES.write(score(PREDICTIONS.read(predictions), names, dataset, model, seed), scores.path)


if __name__ == "__main__":
    run(evaluate_scores)
