"""Command line of rule evaluate_table4."""

from pathlib import Path

from clinragen.evaluate.paper.arguments import ComparedForms
from clinragen.step import Context, run


def evaluate_table4(context: Context, forms: ComparedForms, texts: list[Path]) -> None:
    """Compare the similarity of rationales to the teacher's with the paper's, as CSV, Markdown, LaTeX and a page."""
    from clinragen.evaluate.paper.comparison import read_paper
    from clinragen.evaluate.paper.similarity import shown_similarity, similarity_page, similarity_table
    from clinragen.schemas.paper import SIMILARITY
    from clinragen.schemas.texts import TEXT_SCORES

    paper, scores = read_paper(forms.paper), []
    printed = {(cell.dataset, cell.model) for cell in paper}
    for path in texts:
        rows = TEXT_SCORES.read(path).to_pylist()
        scored = {(row["dataset"], row["model"]) for row in rows}
        for dataset, model in sorted(scored & printed):
            context.made_of({"dataset": dataset, "model": model}, [path])
        scores += rows
    compared = similarity_table(paper, scores, sorted(context.stand_ins), forms.missing(4))
    SIMILARITY.write(compared, forms.table)
    forms.write(shown_similarity(compared), similarity_page(compared, forms.templates))


if __name__ == "__main__":
    run(evaluate_table4)
