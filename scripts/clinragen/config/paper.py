"""What the rules of the paper's tables pass to their scripts about this configuration."""

from clinragen.config.base import Section


class Configured(Section):
    """Datasets and rows of one of the paper's tables that this configuration has."""

    datasets: list[str]
    """Datasets, as the paper calls them."""
    keys: list[str]
    """Rows of `models` and `asked` that are in the table, as `models.clinragen`."""


class ConfiguredTables(Section):
    """Datasets and rows that the configuration has, for each of the paper's tables."""

    tables: dict[int, Configured]
    """By table number."""


class TimedJob(Section):
    """A job whose time counts in the paper's table 3."""

    stage: str
    """Stage, as the paper calls it."""
    dataset: str | None
    """The dataset, as the paper calls it; null if both share the job."""
    seed: int | None
    """The seed of a training."""


class TimedJobs(Section):
    """Jobs, one for each of a list of outputs."""

    jobs: list[TimedJob]
    """The jobs, in the order of their outputs."""
    teacher: str | None
    """The key of `llms` whose rationales they learn from."""
