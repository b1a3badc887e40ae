"""Command line of rule knowledge_vocabulary."""

from pathlib import Path

from clinragen.config.knowledge import Vocabulary
from clinragen.step import SharedOut, run


def knowledge_vocabulary(
    tokenizer: Path,
    terms: Path,
    stop_words: Path,
    backbone: str,
    settings: Vocabulary,
    out: SharedOut,
    table: SharedOut,
) -> None:
    """The vocabulary V^k of a language model (equation 5), its coverage and its overlap between phenotypes."""
    from transformers import AutoTokenizer

    from clinragen.errors import UserError
    from clinragen.knowledge.coverage import coverage
    from clinragen.knowledge.vocabulary import described, left_out, origins, pieces
    from clinragen.registry.stop_words import read_stop_words
    from clinragen.schemas.knowledge import COVERAGE, TERMS

    loaded = AutoTokenizer.from_pretrained(str(tokenizer), local_files_only=True)
    rows = TERMS.read(terms).to_pylist()
    found = origins(loaded, rows)
    kinds = pieces(loaded, found, read_stop_words(stop_words))
    without = left_out(kinds, settings)
    ids = [i for i in found if i not in without]
    if not ids:
        raise UserError(f"no token of {backbone} occurs in the key terms of {terms}; see terms.csv beside it")
    out.path.write_text(described(loaded, backbone, "knowledge", ids, found), encoding="utf-8")
    COVERAGE.write(coverage(rows, found, kinds, without), table.path)


if __name__ == "__main__":
    run(knowledge_vocabulary)
