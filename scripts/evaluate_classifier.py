"""Command line of rule evaluate_classifier."""

from pathlib import Path

from clinragen.step import Out, run


def evaluate_classifier(
    checkpoint: Path,
    samples: Path,
    labels: Path,
    notes: list[Path],
    series: list[Path],
    device: str,
    precision: str,
    batch: int,
    predictions: Out,
) -> None:
    """Phenotypes that a trained classifier names for all test samples."""
    from clinragen.evaluate.classify import classify
    from clinragen.model.inputs import Files, read_samples
    from clinragen.schemas.evaluate import PREDICTIONS

    tested = read_samples(Files(labels, next(iter(notes), None), None, series, samples=samples), "test")
    PREDICTIONS.write(classify(checkpoint, tested, device, precision, batch), predictions)


if __name__ == "__main__":
    run(evaluate_classifier)
