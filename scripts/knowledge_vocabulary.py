"""Command line of rule knowledge_vocabulary."""

from pathlib import Path

from clinragen.step import SharedOut, run


def knowledge_vocabulary(tokenizer: Path, terms: list[Path], backbone: str, vocabulary: str, out: SharedOut) -> None:
    """Token ids of the knowledge vocabulary V^k (equation 5), or of the whole vocabulary."""
    import json

    from transformers import AutoTokenizer

    from clinragen.errors import UserError
    from clinragen.knowledge.vocabulary import described, knowledge_ids, standard_ids
    from clinragen.schemas.knowledge import TERMS

    loaded = AutoTokenizer.from_pretrained(str(tokenizer), local_files_only=True)
    if vocabulary == "standard":
        ids = standard_ids(loaded)
    else:
        ids = knowledge_ids(loaded, [t for path in terms for t in TERMS.read(path)["term"].to_pylist()])
    if not ids:
        raise UserError(f"no token of the vocabulary {vocabulary!r} occurs in {', '.join(map(str, terms))}")
    facts = described(loaded, backbone, vocabulary, ids)
    out.path.write_text(json.dumps(facts, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(knowledge_vocabulary)
