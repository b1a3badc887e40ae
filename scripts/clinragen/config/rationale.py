"""Settings of stage rationale."""

from pydantic import Field, field_validator

from clinragen.config.base import Section, usable_path


class Rationale(Section):
    """The rationales of the teachers."""

    shards: int = Field(ge=1)
    """Jobs per dataset and teacher: one that fails affects only its samples. Their number changes no answer."""
    examples: str
    """File of worked examples in every prompt; replace it by clinicians' examples (check: `make examples FILE=...`)."""

    @field_validator("examples")
    @classmethod
    def _usable_path(cls, text: str) -> str:
        return usable_path(text)
