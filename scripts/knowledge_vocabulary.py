"""Command line of rule knowledge_vocabulary."""

from pathlib import Path

from clinragen.config.knowledge import Vocabulary
from clinragen.step import SharedOut, run


def knowledge_vocabulary(
    tokenizer: Path,
    terms: Path,
    mentions: list[Path],
    source: str,
    stop_words: Path,
    backbone: str,
    settings: Vocabulary,
    out: SharedOut,
) -> None:
    """Write the vocabulary V^k of a language model (equation 5), or the part of it from one source."""
    from transformers import AutoTokenizer

    from clinragen.errors import UserError
    from clinragen.knowledge.pieces import left_out, pieces
    from clinragen.knowledge.sources import terms_of_source
    from clinragen.knowledge.vocabulary import described, origins
    from clinragen.registry.stop_words import read_stop_words
    from clinragen.schemas.knowledge import MENTIONS, TERMS

    loaded = AutoTokenizer.from_pretrained(str(tokenizer), local_files_only=True)
    rows = TERMS.read(terms).to_pylist()
    for path in mentions:
        rows = terms_of_source(rows, MENTIONS.read(path).to_pylist(), source)
    origin_of = origins(loaded, rows)
    without = left_out(pieces(loaded, origin_of, read_stop_words(stop_words)), settings)
    ids = [i for i in origin_of if i not in without]
    if not ids:
        raise UserError(
            f"V^k of {backbone} is empty: {len(origin_of)} tokens occur in the key terms ({terms}), of which "
            f"{len(without)} are left out; check terms.csv in the same directory and knowledge.vocabulary"
        )
    text = described(loaded, backbone, source if mentions else "knowledge", ids, origin_of)
    out.path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(knowledge_vocabulary)
