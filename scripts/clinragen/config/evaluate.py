"""Settings of stage evaluate."""

from pydantic import Field

from clinragen.config.base import Section
from clinragen.config.request import Request


class Decoding(Section):
    """How the student writes."""

    beams: int = Field(ge=1)
    """Beams of the search; 1 is greedy."""
    max_new_tokens: int = Field(ge=1)
    """Longest output in tokens."""


class Evaluate(Section):
    """Predictions and scores."""

    batch: int = Field(ge=1)
    """Samples decoded at once; it changes no output."""
    decoding: Decoding
    """How the student writes."""
    request: Request
    """What a prediction job requests from the cluster."""
