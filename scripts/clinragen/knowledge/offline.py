"""Authored texts in place of PubMed and Wikipedia, for work without a network."""

from pathlib import Path

from clinragen.errors import UserError
from clinragen.knowledge.documents import Document
from clinragen.registry.phenotypes import slug

LICENCE = "MIT, written for this repository"


def authored(phenotypes: list[str], source: str, texts: list[Path]) -> list[Document]:
    """Return one document per phenotype, from `<slug of the phenotype>.md` among the texts.

    UserError names a phenotype without a text, or a text without a title.
    """
    files = {path.stem: path for path in texts}
    missing = [p for p in phenotypes if slug(p) not in files]
    if missing:
        raise UserError(f"resources/knowledge/{source}: texts are missing for {missing}")
    return [_read(phenotype, source, files[slug(phenotype)]) for phenotype in phenotypes]


def _read(phenotype: str, source: str, path: Path) -> Document:
    first, _, rest = path.read_text(encoding="utf-8").partition("\n")
    text = " ".join(rest.split())
    if not first.startswith("# ") or not text:
        raise UserError(f"{path}: expected a first line `# Title` followed by text")
    title = first.removeprefix("# ").strip()
    return Document(phenotype, source, f"authored:{path.stem}", 1, title, text, licence=LICENCE)
