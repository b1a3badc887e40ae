"""Command line of rule evaluate_judge."""

from pathlib import Path

from clinragen.config.judge import Question
from clinragen.config.llms import Llm, Transport
from clinragen.config.rows import RowNames
from clinragen.step import Context, Out, run


def evaluate_judge(
    context: Context,
    samples: Path,
    courses: Path,
    captions: Path,
    labels: Path,
    cases: Path,
    rationales: list[Path],
    predictions: list[Path],
    rows: RowNames,
    prompt: Path,
    dataset: str,
    question: Question,
    name: str,
    llm: Llm,
    transport: Transport | None,
    weights: list[Path],
    answers: str,
    ratings: Out,
) -> None:
    """Have one judge rate the rationales of every system."""
    from clinragen.evaluate.judge.files import read_items
    from clinragen.evaluate.judge.question import read_judge_prompt
    from clinragen.evaluate.judge.rate import rate
    from clinragen.evaluate.rated_files import RatedFiles
    from clinragen.llm.ask import LanguageModel
    from clinragen.llm.request import Answer, Check, Request
    from clinragen.schemas.judge import RATINGS

    by_row = dict(zip(rows.names, predictions, strict=True))
    files = RatedFiles(samples, courses, captions, labels, cases, rationales, by_row)
    texts = [samples, courses, captions, labels, *rationales, *predictions]
    model = LanguageModel(name, llm, transport, Path(answers), weights)

    def ask(requests: list[Request], check: Check) -> list[Answer]:
        responses, facts = model.ask(requests, dataset, texts, check)
        context.note(facts)
        return responses

    items = read_items(files, question, llm.max_note_characters)
    RATINGS.write(rate(items, read_judge_prompt(prompt), question.seed, ask), ratings)


if __name__ == "__main__":
    run(evaluate_judge)
