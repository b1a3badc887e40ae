"""Command line of rule rationale_notes."""

from pathlib import Path

from clinragen.config.llms import Llm, Transport
from clinragen.step import Context, Out, run


def rationale_notes(
    context: Context,
    samples: Path,
    courses: Path,
    labels: Path,
    prompt: Path,
    examples: Path,
    wordings: Path,
    dataset: str,
    shard: str,
    teacher: str,
    llm: Llm,
    transport: Transport | None,
    weights: list[Path],
    answers: str,
    out: Out,
) -> None:
    """Write the note rationale R^m of every sample of a shard (equation 2)."""
    from functools import partial

    from clinragen.llm.ask import LanguageModel
    from clinragen.rationale.checks import check_note
    from clinragen.rationale.claims import read_wordings
    from clinragen.rationale.generate import Files, Shard, corpus, note_rationales
    from clinragen.rationale.prompts import read_examples, read_note_prompt
    from clinragen.schemas.benchmark import COURSES, SAMPLES
    from clinragen.schemas.rationale import RATIONALES

    files = Files(samples, courses, labels, examples)
    model = LanguageModel(teacher, llm, transport, Path(answers), weights)
    ask = partial(model.ask, data=dataset, inputs=files.texts, check=partial(check_note, read_wordings(wordings)))
    cases = files.read(Shard.named(shard), llm.max_note_characters)
    notes = corpus(SAMPLES.read(samples), COURSES.read(courses))
    table, facts = note_rationales(cases, read_note_prompt(prompt), read_examples(examples), ask, notes)
    context.note(facts)
    RATIONALES.write(table, out)


if __name__ == "__main__":
    run(rationale_notes)
