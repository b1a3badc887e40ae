"""Command line of rule planted_predict."""

from pathlib import Path

from clinragen.config.evaluate import Decoding
from clinragen.step import Context, Out, run


def planted_predict(
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
    series_shuffled: Out,
    notes_shuffled: Out,
) -> None:
    """Outputs of a trained student on the test samples, each with the series, or with the note, of another one."""
    from clinragen.evaluate.outcomes import report
    from clinragen.evaluate.parts import Parts
    from clinragen.evaluate.predict import predict
    from clinragen.evaluate.shuffle import exchange
    from clinragen.model.inputs import Files, read_samples
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.runtime.context import Facts
    from clinragen.schemas.evaluate import PREDICTIONS

    texts, others = next(iter(captions), None), next(iter(features), None)
    tested = read_samples(Files(labels, notes, None, series, texts, others), "test")
    known = read_phenotypes(phenotypes)
    for name, part, out in (("series", "labs", series_shuffled), ("notes", "note", notes_shuffled)):
        kept = Parts(Path(parts), f"{context.fingerprint()}-{name}")
        table = predict(checkpoint, exchange(tested, part, seed), known, decoding, batch, kept, *base)
        PREDICTIONS.write(table, out)
        context.note(Facts({f"outputs_{name}_shuffled": report(table)}))
        context.after_commit(kept.remove)


if __name__ == "__main__":
    run(planted_predict)
