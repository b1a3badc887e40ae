"""Stage rationale: what the teacher writes about each sample."""
