"""Command line of rule benchmark_series."""

from contextlib import ExitStack
from pathlib import Path

from clinragen.config.benchmark import Series
from clinragen.step import Out, run


def benchmark_series(
    split: Path,
    stays: Path,
    events: Path,
    variables: Path,
    settings: Series,
    train: Out,
    validation: Out,
    test: Out,
    scales: Out,
) -> None:
    """Write regular, gapless, scaled series of every stay, one file per split."""
    from clinragen.benchmark.series import cut, find_scales, make_series
    from clinragen.registry.variables import read_variables
    from clinragen.schemas.benchmark import SCALES, SERIES, SPLIT
    from clinragen.schemas.extract import STAYS

    channels = read_variables(variables, settings.variables)
    blocks = cut(SPLIT.read(split), STAYS.read(stays, columns=("stay_id", "los_hours")), settings)
    scaling = find_scales(events, blocks, channels, settings)
    SCALES.write(scaling, scales)
    outs = {"train": train, "validation": validation, "test": test}
    with ExitStack() as files:
        writers = {name: files.enter_context(SERIES.writer(out)) for name, out in outs.items()}
        for name, rows in make_series(events, blocks, scaling, settings):
            writers[name].write(rows)


if __name__ == "__main__":
    run(benchmark_series)
