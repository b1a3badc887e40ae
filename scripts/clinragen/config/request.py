"""Cluster resources that a GPU job requests."""

from pydantic import Field

from clinragen.config.base import Section


class Request(Section):
    """Memory and time of a job; they change no output."""

    memory_mb: int = Field(ge=500)
    """Memory in MB of the first attempt; the second one requests twice as much."""
    minutes: int = Field(ge=10)
    """Time limit in minutes of each attempt."""
