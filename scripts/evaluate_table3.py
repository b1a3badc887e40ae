"""Command line of rule evaluate_table3."""

from pathlib import Path

from clinragen.config.paper import TimedJobs
from clinragen.evaluate.paper.arguments import ComparedForms
from clinragen.step import run


def evaluate_table3(
    forms: ComparedForms, outputs: list[Path], jobs: TimedJobs, costs: list[Path], timings: str
) -> None:
    """Compare the times of each stage with the paper's, as CSV, Markdown, LaTeX and a page."""
    from clinragen.evaluate.paper.times import answers_of, read_paper_times, read_times, times_table
    from clinragen.evaluate.paper.times_page import shown, times_page
    from clinragen.schemas.paper import TIMES

    times = read_times(jobs.jobs, outputs, Path(timings), forms.table.final.parents[1])
    answers = answers_of(costs, jobs.teacher)
    compared = times_table(read_paper_times(forms.paper), times, answers, forms.missing(3))
    TIMES.write(compared, forms.table)
    forms.write(shown(compared), times_page(compared, forms.templates))


if __name__ == "__main__":
    run(evaluate_table3)
