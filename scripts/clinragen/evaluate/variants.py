"""Find the samples behind a file of a variant."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from clinragen.schemas.benchmark import SAMPLES


class SamplesByVariant:
    """The samples of each dataset, and of the variants that split it differently.

    Paths are `.../{dataset}/benchmark{+variant}/samples.parquet`.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._tables = {(path.parts[-3], _variant(path)): SAMPLES.read(path) for path in paths}

    def behind(self, dataset: str, path: Path) -> pa.Table:
        """Return the samples (SAMPLES) behind a file of a dataset, in a directory `<name>` or `<name>+<variant>`."""
        return self._tables.get((dataset, _variant(path)), self._tables[dataset, ""])


def _variant(path: Path) -> str:
    return path.parts[-2].partition("+")[2]
