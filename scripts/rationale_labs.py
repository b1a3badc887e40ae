"""Command line of rule rationale_labs."""

from pathlib import Path

from clinragen.rationale.job import TeacherJob
from clinragen.step import Context, Out, run


def rationale_labs(context: Context, job: TeacherJob, captions: Path, notes: Path, out: Out) -> None:
    """Write the lab rationale R^t of every sample of a shard (equation 3)."""
    from clinragen.rationale.checks import check_lab
    from clinragen.rationale.generate import lab_rationales
    from clinragen.rationale.prompts import read_lab_prompt
    from clinragen.schemas.rationale import RATIONALES

    prompt, examples = read_lab_prompt(job.prompt), job.read_examples()
    ask = job.ask(check_lab, captions, notes)
    table, facts = lab_rationales(job.read_samples(captions, notes), prompt, examples, ask)
    context.note(facts)
    RATIONALES.write(table, out)


if __name__ == "__main__":
    run(rationale_labs)
