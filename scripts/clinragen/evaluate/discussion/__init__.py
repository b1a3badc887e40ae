"""The questions of the paper's discussion, answered by data."""
