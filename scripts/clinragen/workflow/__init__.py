"""What the Snakefile and the tools need before any job exists."""
