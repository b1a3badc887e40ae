"""Command line of rule planted_classifier."""

from pathlib import Path

from clinragen.step import Out, run


def planted_classifier(
    checkpoint: Path,
    samples: Path,
    labels: Path,
    notes: list[Path],
    series: list[Path],
    device: str,
    precision: str,
    batch: int,
    seed: int,
    series_shuffled: Out,
    notes_shuffled: Out,
) -> None:
    """Phenotypes that a classifier names for the test samples, each with the series, or the note, of another one."""
    from clinragen.evaluate.classify import classify
    from clinragen.evaluate.shuffle import exchange
    from clinragen.model.inputs import Files, read_samples
    from clinragen.schemas.evaluate import PREDICTIONS

    tested = read_samples(Files(labels, next(iter(notes), None), None, series, samples=samples), "test")
    for part, out in (("labs", series_shuffled), ("note", notes_shuffled)):
        PREDICTIONS.write(classify(checkpoint, exchange(tested, part, seed), device, precision, batch), out)


if __name__ == "__main__":
    run(planted_classifier)
