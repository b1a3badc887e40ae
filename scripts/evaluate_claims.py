"""Command line of rule evaluate_claims."""

from pathlib import Path

from clinragen.config.paper import ConfiguredTables, RunOptions
from clinragen.config.rows import RowsOfTables
from clinragen.step import Context, SharedOut, run


def evaluate_claims(
    context: Context,
    claims: Path,
    printed: list[Path],
    ours: list[Path],
    paper_rows: Path,
    rows: RowsOfTables,
    configured: ConfiguredTables,
    options: RunOptions,
    templates: list[Path],
    table: SharedOut,
    contradictions: SharedOut,
    page: SharedOut,
) -> None:
    """Test every claim of the paper on its printed tables and on our values, as CSV and as a page."""
    from clinragen.evaluate.paper.claims import assess, table_of
    from clinragen.evaluate.paper.claims_page import claims_page
    from clinragen.evaluate.paper.contradictions import find_contradictions
    from clinragen.evaluate.paper.missing import Missing
    from clinragen.evaluate.paper.register import read_claims
    from clinragen.evaluate.paper.sources import files_behind, our_evidence, printed_evidence, printed_in_text
    from clinragen.registry.paper_rows import read_paper_rows
    from clinragen.schemas.claims import CLAIMS, CONTRADICTIONS

    register = read_claims(claims)
    missing = {n: Missing(read_paper_rows(paper_rows, n), has, options) for n, has in configured.tables.items()}
    paper = printed_evidence(printed, printed_in_text(register))
    assessed = assess(register, paper, our_evidence(ours, rows.names, missing), sorted(context.stand_ins))
    for each in assessed:
        context.made_of({"id": each.claim.id}, [claims, *files_behind(each.claim, [*printed, *ours])])
    contradicting = find_contradictions(paper, assessed)
    CLAIMS.write(table_of(assessed), table)
    CONTRADICTIONS.write(contradicting, contradictions)
    pages = [*(f"tables/table{n}.html" for n in configured.tables), *(f"tables/{path.name}" for path in ours)]
    text = claims_page(assessed, contradicting, pages, sorted(context.stand_ins), templates)
    page.path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_claims)
