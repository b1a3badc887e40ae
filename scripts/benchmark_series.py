"""Command line of rule benchmark_series."""

from pathlib import Path

from clinragen.config.benchmark import Series
from clinragen.kernel.step import Out, SharedOut, run


def benchmark_series(
    samples: Path, stays: Path, events: Path, variables: Path, settings: Series, series: Out, scales: SharedOut
) -> None:
    """Regular, gapless, scaled series of every sample."""
    from clinragen.benchmark.series import make_series
    from clinragen.registry.variables import read_variables
    from clinragen.tables.benchmark import SAMPLES, SCALES, SERIES
    from clinragen.tables.extract import EVENTS, STAYS

    channels = read_variables(variables, settings.variables)
    table, found = make_series(SAMPLES.read(samples), STAYS.read(stays), EVENTS.read(events), channels, settings)
    SERIES.write(table, series.path)
    SCALES.write(found, scales.path)


if __name__ == "__main__":
    run(benchmark_series)
