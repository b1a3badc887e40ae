"""Command line of rule planted_classifier."""

from pathlib import Path

from clinragen.model.files import ClassifierInputs
from clinragen.step import Out, run


def planted_classifier(
    checkpoint: Path,
    inputs: ClassifierInputs,
    device: str,
    precision: str,
    batch: int,
    seed: int,
    series_shuffled: Out,
    notes_shuffled: Out,
) -> None:
    """Write the phenotypes a classifier names for the test samples, each with the series or note of another sample."""
    from clinragen.evaluate.classify import classify
    from clinragen.evaluate.shuffle import shuffled_samples
    from clinragen.model.inputs import read_samples
    from clinragen.schemas.predictions import PREDICTIONS

    outputs = {"series": series_shuffled, "notes": notes_shuffled}
    for name, samples in shuffled_samples(read_samples(inputs.files(), "test"), seed):
        PREDICTIONS.write(classify(checkpoint, samples, device, precision, batch), outputs[name])


if __name__ == "__main__":
    run(planted_classifier)
