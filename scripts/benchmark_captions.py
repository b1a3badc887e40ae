"""Command line of rule benchmark_captions."""

from pathlib import Path

from clinragen.config.benchmark import Captions
from clinragen.step import Out, run


def benchmark_captions(
    split: Path,
    events: Path,
    variables: Path,
    fixed: Path,
    number: int,
    settings: Captions,
    captions: Out,
    fences: Out,
) -> None:
    """Describe the anomalies of every stay in words, by fences of the training split or fixed ones."""
    from clinragen.benchmark.captions import make_captions, make_fences, read_fences
    from clinragen.registry.variables import read_variables
    from clinragen.schemas.benchmark import CAPTIONS, FENCES, SPLIT
    from clinragen.schemas.extract import EVENTS

    rows = SPLIT.read(split).to_pylist()
    measured = EVENTS.read(events, columns=("stay_id", "variable", "value"))
    names = [v.name for v in read_variables(variables, number) if not v.categorical]
    training = {r["stay_id"] for r in rows if r["split"] == "train"}
    if settings.fences == "training":
        limits = make_fences(measured, training, names, settings.fence_multiplier)
    else:
        limits = read_fences(fixed, names)
    CAPTIONS.write(make_captions(measured, [r["stay_id"] for r in rows], limits), captions)
    FENCES.write(limits, fences)


if __name__ == "__main__":
    run(benchmark_captions)
