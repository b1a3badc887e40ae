"""Command line of rule rationale_notes."""

from clinragen.rationale.job import TeacherJob
from clinragen.step import Context, Out, run


def rationale_notes(context: Context, job: TeacherJob, out: Out) -> None:
    """Write the note rationale R^m of every sample of a shard (equation 2)."""
    from clinragen.rationale.checks import check_note
    from clinragen.rationale.generate import note_rationales
    from clinragen.rationale.prompts import read_note_prompt
    from clinragen.schemas.rationale import RATIONALES

    prompt, examples = read_note_prompt(job.prompt), job.read_examples()
    table, facts = note_rationales(job.read_samples(), prompt, examples, job.ask(check_note), job.read_corpus())
    context.note(facts)
    RATIONALES.write(table, out)


if __name__ == "__main__":
    run(rationale_notes)
