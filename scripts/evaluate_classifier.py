"""Command line of rule evaluate_classifier."""

from pathlib import Path

from clinragen.model.files import ClassifierInputs
from clinragen.step import Out, run


def evaluate_classifier(
    checkpoint: Path, inputs: ClassifierInputs, device: str, precision: str, batch: int, predictions: Out
) -> None:
    """Write the phenotypes that a trained classifier names for all test samples."""
    from clinragen.evaluate.classify import classify
    from clinragen.model.inputs import read_samples
    from clinragen.schemas.predictions import PREDICTIONS

    samples = read_samples(inputs.files(), "test")
    PREDICTIONS.write(classify(checkpoint, samples, device, precision, batch), predictions)


if __name__ == "__main__":
    run(evaluate_classifier)
