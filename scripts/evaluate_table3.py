"""Command line of rule evaluate_table3."""

from pathlib import Path

from clinragen.config.paper import Configured, TimedJobs
from clinragen.step import SharedOut, run


def evaluate_table3(
    paper: Path,
    outputs: list[Path],
    jobs: TimedJobs,
    costs: list[Path],
    timings: str,
    paper_rows: Path,
    configured: Configured,
    templates: list[Path],
    table: SharedOut,
    markdown: SharedOut,
    latex: SharedOut,
    page: SharedOut,
) -> None:
    """Compare the times of each stage with the paper's, as CSV, Markdown, LaTeX and a page."""
    from clinragen.evaluate.paper.forms import write_forms
    from clinragen.evaluate.paper.missing import Missing
    from clinragen.evaluate.paper.times import answers_of, read_paper_times, read_times, times_table
    from clinragen.evaluate.paper.times_page import shown, times_page
    from clinragen.registry.paper_rows import read_paper_rows
    from clinragen.schemas.paper import TIMES

    missing = Missing(read_paper_rows(paper_rows, 3), configured)
    times = read_times(jobs.jobs, outputs, Path(timings), table.final.parents[1])
    compared = times_table(read_paper_times(paper), times, answers_of(costs, jobs.teacher), missing)
    TIMES.write(compared, table)
    write_forms(shown(compared), times_page(compared, templates), markdown.path, latex.path, page.path)


if __name__ == "__main__":
    run(evaluate_table3)
