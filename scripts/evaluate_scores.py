"""Command line of rule evaluate_scores."""

from pathlib import Path

from clinragen.step import SharedOut, run


def evaluate_scores(
    predictions: Path,
    samples: Path,
    labels: Path,
    cases: list[Path],
    phenotypes: Path,
    dataset: str,
    model: str,
    of_run: str,
    scores: SharedOut,
) -> None:
    """Score one run: `seed<n>` of a training, `asked`, or `untrained`.

    A model that is asked about the selected cases is tested on those, all others on the whole test split.
    """
    from clinragen.evaluate.runs import read_run, truth_of
    from clinragen.evaluate.scores import score
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.schemas.benchmark import LABELS, SAMPLES
    from clinragen.schemas.evaluate import SCORES
    from clinragen.schemas.predictions import CASES

    names, seed = read_phenotypes(phenotypes), int(of_run[4:]) if of_run.startswith("seed") else None
    selected = next((CASES.read(path) for path in cases), None)
    truth = truth_of(SAMPLES.read(samples), LABELS.read(labels), selected)
    predicted = read_run(predictions, truth, names, model, of_run)
    SCORES.write(score(predicted, names, dataset, model, seed), scores)


if __name__ == "__main__":
    run(evaluate_scores)
