"""How to make a value of the paper's tables that this run lacks."""

from dataclasses import dataclass

from clinragen.config.paper import Configured
from clinragen.registry.paper_rows import PaperRow
from clinragen.registry.raw import TITLES

COMMAND = "snakemake tables"


@dataclass(frozen=True)
class Missing:
    """How to make the rows of a table that the configuration lacks."""

    rows: list[PaperRow]
    configured: Configured

    def how(self, model: str, dataset: str | None = None) -> str | None:
        """Return what to set and run for a row on a dataset, or on any; None for a row that is not in the paper."""
        row = next((row for row in self.rows if row.model == model), None)
        if row is None:
            return None
        steps = []
        if dataset is not None and dataset not in self.configured.datasets:
            name = next(name for name, title in TITLES.items() if title == dataset)
            steps.append(f"configure datasets.{name}, which is null in this run")
        options = "the options of this run"
        if row.key not in self.configured.keys:
            if "/" not in row.file:
                steps.append(f"configure {row.key} as in {row.file} (this run leaves it out)")
            else:  # an overlay
                options = f"the options of this run and {row.file} as the last --configfile; it has {row.key}"
        run = f"run `{COMMAND}` with {options}"
        return ", then ".join([*steps, run])
