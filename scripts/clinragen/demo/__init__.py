"""Data for the demo: a synthetic cohort with planted evidence, and stand-in notes for the open demo."""
