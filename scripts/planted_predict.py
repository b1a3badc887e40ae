"""Command line of rule planted_predict."""

from pathlib import Path

from clinragen.config.evaluate import Decoding
from clinragen.step import Out, run


def planted_predict(
    checkpoint: Path,
    samples: Path,
    labels: Path,
    courses: Path,
    series: list[Path],
    phenotypes: Path,
    decoding: Decoding,
    batch: int,
    seed: int,
    series_shuffled: Out,
    notes_shuffled: Out,
) -> None:
    """Outputs of a trained student on the test samples, each with the series, or with the note, of another one."""
    from clinragen.evaluate.predict import predict
    from clinragen.evaluate.shuffle import exchange
    from clinragen.model.inputs import Files, read_samples
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.schemas.evaluate import PREDICTIONS

    tested = read_samples(Files(samples, labels, courses, series, rationales=[]), "test")
    names = read_phenotypes(phenotypes)
    for part, out in (("series", series_shuffled), ("note", notes_shuffled)):
        exchanged = exchange(tested, part, seed)
        PREDICTIONS.write(predict(checkpoint, exchanged, names, decoding, batch), out.path)


if __name__ == "__main__":
    run(planted_predict)
