"""Command line of rule knowledge_wikipedia."""

from pathlib import Path

from clinragen.runtime.step import SharedOut, run


def knowledge_wikipedia(
    queries: Path, texts: list[Path], source: str, documents: int, endpoint: str, out: SharedOut
) -> None:
    """Articles on each phenotype, from Wikipedia or from the authored texts."""
    from clinragen.knowledge.documents import read_queries, table_of
    from clinragen.runtime.progress import progress
    from clinragen.schemas.knowledge import DOCUMENTS

    wanted = read_queries(queries, "wikipedia")
    if source == "offline":
        from clinragen.knowledge.offline import authored

        found = authored(list(wanted), "wikipedia", texts)
    else:
        from clinragen.knowledge.wikipedia import articles, client

        wiki = client(endpoint)
        found = [
            document
            for phenotype, query in progress(wanted.items(), "searches in Wikipedia", len(wanted))
            for document in articles(wiki, phenotype, query, documents)
        ]
    DOCUMENTS.write(table_of(found), out.path)


if __name__ == "__main__":
    run(knowledge_wikipedia)
