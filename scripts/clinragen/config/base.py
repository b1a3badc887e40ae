"""The base of every settings section."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of config.yaml: every key is required there, unknown keys are errors.

    The string under a field is its documentation in docs/config.md. Fields have no defaults:
    config.yaml is the only place that sets a value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
