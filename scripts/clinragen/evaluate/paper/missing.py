"""How to make a value of the paper's tables that this run lacks."""

from dataclasses import dataclass, field

from clinragen.config.paper import Configured, RunOptions
from clinragen.registry.paper_rows import PaperRow
from clinragen.registry.raw import TITLES

DEMO, DEMO_FULL, REHEARSAL = "config/demo.yaml", "config/demo-full.yaml", "config/rehearsal.yaml"


@dataclass(frozen=True)
class Missing:
    """How to make the rows of a table that the configuration lacks."""

    rows: list[PaperRow]
    configured: Configured
    options: RunOptions = field(default_factory=RunOptions)

    def how(self, model: str, dataset: str | None = None) -> str | None:
        """Return what to set and run for a row on a dataset, or on any; None for a row that is not in the paper."""
        row = next((row for row in self.rows if row.model == model), None)
        if row is None:
            return None
        steps = []
        if dataset is not None and dataset not in self.configured.datasets:
            name = next(name for name, title in TITLES.items() if title == dataset)
            steps.append(f"set `datasets.{name}`, which is null in this run")
        command = self.options.command()
        if row.key not in self.configured.keys:
            if DEMO in self.options.files and row.demo == REHEARSAL:
                return "run `make rehearsal`: with stand-ins, in another tree"
            if DEMO in self.options.files and row.demo == DEMO_FULL:
                alone = self.options.files == [DEMO]
                command = "make demo-full" if alone else self.options.command(last=DEMO_FULL)
            elif "/" in row.file:  # an overlay, which goes before the settings of a site
                command = self.options.command(first=row.file)
            else:
                steps.append(f"set `{row.key}` as in `{row.file}` (this run leaves it out)")
        return ", then ".join([*steps, f"run `{command}`"])
