"""Command line of rule knowledge_pubmed."""

from pathlib import Path

from clinragen.step import Context, Private, SharedOut, run


def knowledge_pubmed(
    context: Context,
    queries: Path,
    texts: list[Path],
    source: str,
    documents: int,
    endpoint: str,
    email: Private,
    out: SharedOut,
) -> None:
    """Abstracts on each phenotype, from PubMed or from the authored texts."""
    from clinragen.knowledge.documents import read_queries, table_of
    from clinragen.runtime.progress import Progress
    from clinragen.schemas.knowledge import DOCUMENTS

    wanted = read_queries(queries, "pubmed")
    if source == "offline":
        from clinragen.knowledge.offline import authored

        context.stand_in("offline knowledge")
        found = authored(list(wanted), "pubmed", texts)
    else:
        from clinragen.knowledge.address import address_of_user
        from clinragen.knowledge.pubmed import abstracts, redirected

        address = address_of_user(email)
        found = []
        with redirected(endpoint), Progress("searches in PubMed", len(wanted)) as bar:
            for phenotype, query in wanted.items():
                found += abstracts(phenotype, query, address, documents)
                bar.advance()
    DOCUMENTS.write(table_of(found), out.path)


if __name__ == "__main__":
    run(knowledge_pubmed)
