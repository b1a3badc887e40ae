"""Generated stand-ins: raw files, notes, a language model. Never part of a real run."""
