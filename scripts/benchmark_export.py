"""Command line of rule benchmark_export."""

import logging
from pathlib import Path

from clinragen.step import Out, run

log = logging.getLogger("export")


def benchmark_export(
    stays: Path, split: Path, labels: Path, events: Path, phenotypes: Path, variables: Path, export: Out
) -> None:
    """Export the samples in the layout of mimic3-benchmarks."""
    from clinragen.benchmark.export import export_samples, read_episodes
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.registry.variables import read_variables
    from clinragen.schemas.benchmark import LABELS, SPLIT
    from clinragen.schemas.extract import EVENTS, STAYS

    splits, labelled = SPLIT.read(split), LABELS.read(labels)
    names = [v.name for v in read_variables(variables)]
    samples = export_samples(
        export.path,
        STAYS.read(stays),
        dict(zip(splits["stay_id"].to_pylist(), splits["split"].to_pylist(), strict=True)),
        dict(zip(labelled["stay_id"].to_pylist(), labelled["phenotypes"].to_pylist(), strict=True)),
        read_phenotypes(phenotypes),
        read_episodes(EVENTS.read_batches(events, EVENTS.schema.names), names),
        names,
    )
    log.info("samples: %s", samples)


if __name__ == "__main__":
    run(benchmark_export)
