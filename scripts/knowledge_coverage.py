"""Command line of rule knowledge_coverage."""

from pathlib import Path

from clinragen.config.knowledge import Vocabulary
from clinragen.step import SharedOut, run


def knowledge_coverage(tokenizer: Path, terms: Path, stop_words: Path, settings: Vocabulary, table: SharedOut) -> None:
    """Write the coverage of V^k by phenotype, its overlap between them, and the effect of the switches."""
    from transformers import AutoTokenizer

    from clinragen.knowledge.coverage import coverage
    from clinragen.knowledge.pieces import left_out, pieces
    from clinragen.knowledge.vocabulary import origins
    from clinragen.registry.stop_words import read_stop_words
    from clinragen.schemas.knowledge import COVERAGE, TERMS

    loaded = AutoTokenizer.from_pretrained(str(tokenizer), local_files_only=True)
    rows = TERMS.read(terms).to_pylist()
    origin_of = origins(loaded, rows)
    kinds = pieces(loaded, origin_of, read_stop_words(stop_words))
    COVERAGE.write(coverage(rows, origin_of, kinds, left_out(kinds, settings)), table)


if __name__ == "__main__":
    run(knowledge_coverage)
