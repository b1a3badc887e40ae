"""Command line of rule knowledge_terms."""

from pathlib import Path

from clinragen.config.knowledge import Terms
from clinragen.config.llms import Llm, Transport
from clinragen.step import Context, SharedOut, run


def knowledge_terms(
    context: Context,
    documents: list[Path],
    prompt: Path,
    abbreviations: Path,
    terms: Terms,
    llm: Llm,
    transport: Transport | None,
    weights: list[Path],
    answers: str,
    out: SharedOut,
    readable: SharedOut,
    mentions: SharedOut,
    shown: SharedOut,
    convergence: SharedOut,
) -> None:
    """Extract the key terms of each phenotype (equation 1) and the documents with them, in rounds."""
    from clinragen.knowledge import ranking
    from clinragen.knowledge.abbreviations import read_abbreviations
    from clinragen.knowledge.documents import documents_of
    from clinragen.knowledge.terms import check, extract, read_terms_prompt
    from clinragen.llm.ask import LanguageModel, counted
    from clinragen.llm.request import Answer, Request
    from clinragen.runtime.context import Facts
    from clinragen.schemas.knowledge import ANSWERS, CONVERGENCE, DOCUMENTS, MENTIONS, TERM_LISTS, TERMS

    model = LanguageModel(terms.llm, llm, transport, Path(answers), weights)

    def ask_model(requests: list[Request]) -> list[Answer]:
        received, facts = model.ask(requests, "the knowledge documents", documents, check)
        del facts.values["statuses"]  # of one round; those of all follow
        context.note(facts)
        return received

    texts = [d for path in documents for d in documents_of(DOCUMENTS.read(path))]
    extraction = extract(texts, terms, read_terms_prompt(prompt), ask_model, read_abbreviations(abbreviations))
    without = counted(extraction.without_terms)
    context.note(Facts({"statuses": counted(model.statuses), "documents_without_terms": without}))
    TERMS.write(ranking.terms_table(extraction.terms), out)
    TERM_LISTS.write(ranking.readable(extraction.terms), readable)
    MENTIONS.write(ranking.mentions_table(extraction.mentions), mentions)
    ANSWERS.write(ranking.answers_table(extraction.shown), shown)
    CONVERGENCE.write(ranking.convergence_table(extraction.rounds), convergence)


if __name__ == "__main__":
    run(knowledge_terms)
