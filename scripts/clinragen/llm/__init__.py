"""Language models: one interface for a server and for the template stand-in."""
