"""Settings of stage evaluate."""

from pydantic import Field

from clinragen.config.base import Section


class Evaluate(Section):
    """Predictions and scores."""

    batch: int = Field(ge=1)
    """Samples decoded at once."""
    beams: int = Field(ge=1)
    """Beams of the search; 1 is greedy."""
    max_new_tokens: int = Field(ge=1)
    """Longest output in tokens."""
