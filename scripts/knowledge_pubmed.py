"""Command line of rule knowledge_pubmed."""

from pathlib import Path

from clinragen.step import Context, Private, SharedOut, run


def knowledge_pubmed(
    context: Context,
    queries: Path,
    texts: list[Path],
    source: str,
    documents: int,
    answers: str,
    refresh: str,
    endpoint: str,
    email: Private,
    out: SharedOut,
    attrition: SharedOut,
) -> None:
    """Abstracts on each phenotype, from PubMed or from the authored texts."""
    from clinragen.knowledge.documents import read_queries, table_of
    from clinragen.knowledge.steps import Steps
    from clinragen.runtime.context import Facts
    from clinragen.runtime.progress import Progress
    from clinragen.schemas.extract import ATTRITION
    from clinragen.schemas.knowledge import DOCUMENTS

    wanted, steps = read_queries(queries, "pubmed"), Steps()
    if source == "offline":
        from clinragen.knowledge.offline import authored

        context.stand_in("offline knowledge")
        found = authored(list(wanted), "pubmed", texts)
        steps.add("authored texts", len(found))
    else:
        from clinragen.knowledge.address import address_of_user
        from clinragen.knowledge.pubmed import abstracts, entrez
        from clinragen.knowledge.responses import stored_responses

        found, address = [], address_of_user(email)
        with (
            stored_responses(Path(answers), refresh) as responses,
            entrez(endpoint, address),
            Progress("searches in PubMed", len(wanted)) as bar,
        ):
            for phenotype, query in wanted.items():
                found += abstracts(responses, phenotype, query, documents, steps)
                bar.advance()
        context.note(Facts({"responses": responses.used}))
    DOCUMENTS.write(table_of(found), out)
    ATTRITION.write(steps.table_of("pubmed"), attrition)


if __name__ == "__main__":
    run(knowledge_pubmed)
