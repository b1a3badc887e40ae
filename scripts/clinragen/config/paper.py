"""Facts about this configuration that the rules of the paper's tables pass to their scripts."""

import shlex

from pydantic import Field

from clinragen.config.base import Section


class Configured(Section):
    """Configured datasets and rows of one of the paper's tables."""

    datasets: list[str]
    """Datasets, named as in the paper."""
    keys: list[str]
    """Rows of `models` and `asked` that are in the table, such as `models.clinragen`."""


class RunOptions(Section):
    """How Snakemake was started, to repeat it in a command."""

    machine: str = "--cores 2"
    """The options that say where jobs run."""
    files: list[str] = Field(default_factory=list)
    """The files of `--configfile`, as seen from the repository."""

    def command(self, first: str | None = None, last: str | None = None) -> str:
        """Return the command that makes everything, if need be with one more file before or after the others."""
        files = [*filter(None, [first]), *self.files, *filter(None, [last])]
        return " ".join(["snakemake all", self.machine, *["--configfile"] * bool(files), *map(shlex.quote, files)])


class ConfiguredTables(Section):
    """Configured datasets and rows of each of the paper's tables."""

    tables: dict[int, Configured]
    """By table number."""


class TimedJob(Section):
    """A job whose time counts in the paper's table 3."""

    stage: str
    """Stage, named as in the paper."""
    dataset: str | None
    """Dataset, named as in the paper; null if both share the job."""
    seed: int | None
    """Seed of a training."""


class TimedJobs(Section):
    """Jobs, one for each of a list of outputs."""

    jobs: list[TimedJob]
    """The jobs, in the order of their outputs."""
    teacher: str | None
    """The key of `llms` whose rationales they learn from."""
