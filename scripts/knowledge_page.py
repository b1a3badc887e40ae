"""Command line of rule knowledge_page."""

from pathlib import Path

from clinragen.config.knowledge import Terms
from clinragen.config.llms import Llm
from clinragen.step import Context, SharedOut, run


def knowledge_page(
    context: Context,
    terms: Path,
    shown: Path,
    convergence: Path,
    picture: Path,
    attrition: list[Path],
    sources: Path,
    coverage: list[Path],
    mode: str,
    settings: Terms,
    llm: Llm,
    templates: list[Path],
    page: SharedOut,
) -> None:
    """Write documents, key terms, convergence and vocabularies on one page."""
    from clinragen.knowledge.page import Tables
    from clinragen.knowledge.page import knowledge_page as page_of
    from clinragen.schemas.extract import ATTRITION
    from clinragen.schemas.knowledge import ANSWERS, CONVERGENCE, COVERAGE, SOURCES, TERMS

    tables = Tables(
        TERMS.read(terms),
        ANSWERS.read(shown),
        CONVERGENCE.read(convergence),
        picture.read_bytes(),
        {path.stem.removeprefix("attrition_"): ATTRITION.read(path) for path in attrition},
        SOURCES.read(sources),
        {path.stem: COVERAGE.read(path) for path in coverage},
    )
    text = page_of(tables, settings, llm, mode, sorted(context.stand_ins), templates)
    page.path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(knowledge_page)
