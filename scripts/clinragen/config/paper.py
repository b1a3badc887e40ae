"""What the rules of the paper's tables tell their scripts about this configuration."""

from clinragen.config.base import Section


class Configured(Section):
    """What this configuration has of that which one of the paper's tables shows."""

    datasets: list[str]
    """Datasets, as the paper calls them."""
    keys: list[str]
    """Rows of `models` and `asked` that are in the table, as `models.clinragen`."""


class ConfiguredTables(Section):
    """What the configuration has of each of the paper's tables."""

    tables: dict[int, Configured]
    """By number of the table."""


class TimedJob(Section):
    """A job whose time is in the paper's table 3."""

    stage: str
    """Stage, as the paper calls it."""
    dataset: str | None
    """The dataset, as the paper calls it; null for what both share."""
    seed: int | None
    """The seed of a training."""


class TimedJobs(Section):
    """Jobs, one for each of a list of outputs."""

    jobs: list[TimedJob]
    """The jobs, in the order of their outputs."""
    teacher: str | None
    """The key of `llms` whose rationales they learn from."""
