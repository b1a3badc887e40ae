"""The language model: one interface for a server and for the template stand-in."""
