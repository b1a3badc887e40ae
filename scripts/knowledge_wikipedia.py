"""Command line of rule knowledge_wikipedia."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def knowledge_wikipedia(
    context: Context, queries: Path, texts: list[Path], source: str, documents: int, endpoint: str, out: SharedOut
) -> None:
    """Articles on each phenotype, from Wikipedia or from the authored texts."""
    from clinragen.knowledge.documents import read_queries, table_of
    from clinragen.runtime.progress import Progress
    from clinragen.schemas.knowledge import DOCUMENTS

    wanted = read_queries(queries, "wikipedia")
    if source == "offline":
        from clinragen.knowledge.offline import authored

        context.stand_in("offline knowledge")
        found = authored(list(wanted), "wikipedia", texts)
    else:
        from clinragen.knowledge.wikipedia import articles, client

        wiki = client(endpoint)
        found = []
        with Progress("searches in Wikipedia", len(wanted)) as bar:
            for phenotype, query in wanted.items():
                found += articles(wiki, phenotype, query, documents)
                bar.advance()
    DOCUMENTS.write(table_of(found), out.path)


if __name__ == "__main__":
    run(knowledge_wikipedia)
