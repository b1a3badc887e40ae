"""Stage extract: from raw MIMIC files to stays, diagnoses, events and notes."""
