"""Settings of stage rationale."""

from pydantic import Field, field_validator

from clinragen.config.base import Section, usable_path


class Rationale(Section):
    """What a teacher writes about each sample."""

    shards: int = Field(ge=1)
    """Jobs per dataset and teacher: a failed one costs its share of the samples. Their number changes no answer."""
    examples: str
    """Worked examples in every prompt; replace ours by a file of clinicians' (`make examples FILE=...` checks it)."""

    @field_validator("examples")
    @classmethod
    def _usable_path(cls, text: str) -> str:
        return usable_path(text)
