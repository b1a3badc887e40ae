"""Command line of rule evaluate_table4."""

from pathlib import Path

from clinragen.config.paper import Configured
from clinragen.step import Context, SharedOut, run


def evaluate_table4(
    context: Context,
    paper: Path,
    texts: list[Path],
    paper_rows: Path,
    configured: Configured,
    templates: list[Path],
    table: SharedOut,
    markdown: SharedOut,
    latex: SharedOut,
    page: SharedOut,
) -> None:
    """Compare the similarity of rationales to the teacher's with the paper's, as CSV, Markdown, LaTeX and a page."""
    from clinragen.evaluate.paper.comparison import read_paper
    from clinragen.evaluate.paper.forms import write_forms
    from clinragen.evaluate.paper.missing import Missing
    from clinragen.evaluate.paper.similarity import shown_similarity, similarity_page, similarity_table
    from clinragen.registry.paper_rows import read_paper_rows
    from clinragen.schemas.paper import SIMILARITY
    from clinragen.schemas.texts import TEXT_SCORES

    missing = Missing(read_paper_rows(paper_rows, 4), configured)
    scores = []
    for path in texts:
        rows = TEXT_SCORES.read(path).to_pylist()
        for dataset, model in dict.fromkeys((row["dataset"], row["model"]) for row in rows):
            context.made_of({"dataset": dataset, "model": model}, [path])
        scores += rows
    compared = similarity_table(read_paper(paper), scores, sorted(context.stand_ins), missing)
    SIMILARITY.write(compared, table)
    html = similarity_page(compared, templates)
    write_forms(shown_similarity(compared), html, markdown.path, latex.path, page.path)


if __name__ == "__main__":
    run(evaluate_table4)
