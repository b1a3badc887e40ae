"""Settings of stage rationale."""

from pydantic import Field

from clinragen.config.base import Section, UsablePath


class Rationale(Section):
    """The rationales of the teachers."""

    shards: int = Field(ge=1)
    """Jobs per dataset and teacher: one that fails affects only its samples. Their number changes no answer."""
    examples: UsablePath
    """File of worked examples in every prompt; replace it by clinicians' examples (check: `make examples FILE=...`)."""
