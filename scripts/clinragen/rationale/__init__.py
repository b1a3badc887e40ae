"""Stage rationale: the teacher's rationales for each sample."""
