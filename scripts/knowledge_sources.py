"""Command line of rule knowledge_sources."""

from pathlib import Path

from clinragen.step import SharedOut, run


def knowledge_sources(terms: Path, mentions: Path, tokenizers: list[Path], out: SharedOut) -> None:
    """Write the overlap of PubMed and Wikipedia in the key terms and in the tokens of each language model."""
    from transformers import AutoTokenizer

    from clinragen.knowledge.sources import source_overlap
    from clinragen.knowledge.vocabulary import token_ids
    from clinragen.schemas.knowledge import MENTIONS, SOURCES, TERMS

    mentioned = MENTIONS.read(mentions).to_pylist()
    loaded = {path.name: AutoTokenizer.from_pretrained(str(path), local_files_only=True) for path in tokenizers}
    tokens = {name: token_ids(tokenizer, (m["form"] for m in mentioned)) for name, tokenizer in loaded.items()}
    SOURCES.write(source_overlap(TERMS.read(terms).to_pylist(), mentioned, tokens), out)


if __name__ == "__main__":
    run(knowledge_sources)
