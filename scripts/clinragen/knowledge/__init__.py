"""Stage knowledge: documents, key terms, vocabulary."""
