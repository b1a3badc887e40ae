"""Command line of rule knowledge_documents."""

from pathlib import Path

from clinragen.step import Context, Private, SharedOut, run


def knowledge_documents(
    context: Context,
    queries: Path,
    texts: list[Path],
    source: str,
    mode: str,
    documents: int,
    answers: str,
    refresh: str,
    endpoint: str,
    email: Private,
    out: SharedOut,
    attrition: SharedOut,
) -> None:
    """Write documents on each phenotype, from PubMed or Wikipedia or from the authored texts."""
    from clinragen.knowledge.documents import read_queries, table_of
    from clinragen.knowledge.steps import Steps
    from clinragen.runtime.context import Facts
    from clinragen.schemas.extract import ATTRITION
    from clinragen.schemas.knowledge import DOCUMENTS

    phenotypes, steps = read_queries(queries, source), Steps()
    if mode == "offline":
        from clinragen.knowledge.offline import authored

        context.stand_in("offline knowledge")
        retrieved = authored(list(phenotypes), source, texts)
        steps.add("authored texts", len(retrieved))
    else:
        from clinragen.knowledge.address import address_of_user
        from clinragen.knowledge.responses import stored_responses
        from clinragen.knowledge.retrieval import retrieve

        address = address_of_user(email)
        with stored_responses(Path(answers), refresh) as responses:
            retrieved = retrieve(source, phenotypes, documents, endpoint, address, responses, steps)
        context.note(Facts({"responses": responses.used}))
    DOCUMENTS.write(table_of(retrieved), out)
    ATTRITION.write(steps.table_of(source), attrition)


if __name__ == "__main__":
    run(knowledge_documents)
