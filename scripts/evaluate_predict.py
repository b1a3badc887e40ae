"""Command line of rule evaluate_predict."""

from pathlib import Path

from clinragen.config.evaluate import Decoding
from clinragen.step import Context, Out, run


def evaluate_predict(
    context: Context,
    checkpoint: Path,
    base: list[Path],
    labels: Path,
    notes: Path,
    captions: list[Path],
    features: list[Path],
    series: list[Path],
    phenotypes: Path,
    decoding: Decoding,
    batch: int,
    seed: int,
    parts: str,
    predictions: Out,
) -> None:
    """Outputs of a trained student on all test samples; one that reads notes alone gets no series."""
    from clinragen.evaluate.outcomes import report
    from clinragen.evaluate.parts import Parts
    from clinragen.evaluate.predict import predict
    from clinragen.model.inputs import Files, read_samples
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.runtime.context import Facts
    from clinragen.schemas.evaluate import PREDICTIONS

    texts, others = next(iter(captions), None), next(iter(features), None)
    tested = read_samples(Files(labels, notes, None, series, texts, others), "test")
    kept = Parts(Path(parts), context.fingerprint())
    table = predict(checkpoint, tested, read_phenotypes(phenotypes), decoding, batch, kept, *base)
    PREDICTIONS.write(table, predictions)
    context.note(Facts({"outputs": report(table)}))
    context.after_commit(kept.remove)


if __name__ == "__main__":
    run(evaluate_predict)
