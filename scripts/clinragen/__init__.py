"""ClinRaGen: small language models that diagnose 25 phenotypes and explain themselves."""
