"""Command line of rule knowledge_terms."""

from pathlib import Path

from clinragen.config.knowledge import Terms
from clinragen.config.llms import Llm, Transport
from clinragen.step import Context, SharedOut, run


def knowledge_terms(
    context: Context,
    pubmed: Path,
    wikipedia: Path,
    prompt: Path,
    terms: Terms,
    llm: Llm,
    transport: Transport | None,
    answers: str,
    out: SharedOut,
    readable: SharedOut,
) -> None:
    """Key terms of each phenotype (equation 1) with the document that each was found in."""
    import pyarrow.csv

    from clinragen.knowledge.documents import documents_of
    from clinragen.knowledge.terms import PROMPT_SLOTS, check, extract, table_of
    from clinragen.knowledge.terms import readable as by_phenotype
    from clinragen.llm.ask import LanguageModel
    from clinragen.llm.prompt import read_prompt
    from clinragen.llm.request import Answer, Request
    from clinragen.schemas.knowledge import DOCUMENTS, TERMS

    model = LanguageModel(terms.llm, llm, transport, Path(answers))

    def ask_model(requests: list[Request]) -> list[Answer]:
        found, facts = model.ask(requests, "the knowledge documents", [pubmed, wikipedia], check)
        context.note(facts)
        return found

    documents = [d for path in (pubmed, wikipedia) for d in documents_of(DOCUMENTS.read(path))]
    found = extract(
        documents,
        terms,
        read_prompt(prompt, PROMPT_SLOTS),
        ask_model,
    )
    TERMS.write(table_of(found), out.path)
    pyarrow.csv.write_csv(by_phenotype(found), readable.path)


if __name__ == "__main__":
    run(knowledge_terms)
