"""Identity of code and outputs: digests of rules, and the provenance record of every output."""
