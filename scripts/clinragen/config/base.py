"""The base of every settings section."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of config.yaml: every key is required there, unknown keys are errors.

    The string under a field is its documentation in docs/config.md. Fields carry no defaults:
    config.yaml is the one place where a value stands.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
