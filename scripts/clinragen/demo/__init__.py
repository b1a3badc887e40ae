"""Stand-ins that are made on the spot: raw files, notes, a language model. Never part of a real run."""
