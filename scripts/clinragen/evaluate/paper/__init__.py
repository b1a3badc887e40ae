"""The paper's tables and figures with our values."""
