"""Command line of rule knowledge_standard."""

from pathlib import Path

from clinragen.step import SharedOut, run


def knowledge_standard(tokenizer: Path, backbone: str, out: SharedOut) -> None:
    """Write the whole vocabulary of a language model, in place of V^k (ablation w/o KNOW)."""
    from transformers import AutoTokenizer

    from clinragen.knowledge.vocabulary import described, standard_ids

    loaded = AutoTokenizer.from_pretrained(str(tokenizer), local_files_only=True)
    out.path.write_text(described(loaded, backbone, "standard", standard_ids(loaded), {}), encoding="utf-8")


if __name__ == "__main__":
    run(knowledge_standard)
