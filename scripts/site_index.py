"""Command line of rule site_index."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def site_index(
    context: Context,
    pages: list[Path],
    claims: Path,
    table1: Path,
    table2: Path,
    planted: list[Path],
    attrition: list[Path],
    examples: list[Path],
    lineage: Path,
    templates: list[Path],
    page: SharedOut,
) -> None:
    """Write the front page: what was asked, what came out, one case, and all pages by section."""
    from clinragen.provenance.graph import Graph
    from clinragen.registry.raw import TITLES
    from clinragen.schemas.claims import CLAIMS
    from clinragen.schemas.evaluate import COMPARISON, PLANTED
    from clinragen.schemas.extract import ATTRITION
    from clinragen.site import outcomes
    from clinragen.site.heads import read_page
    from clinragen.site.index_page import Outcomes, index_page, read_examples

    tree = page.final.parent
    found = Outcomes(
        outcomes.claims(CLAIMS.read(claims)),
        outcomes.headline(COMPARISON.read(table1), COMPARISON.read(table2)),
        [each for path in planted for each in outcomes.labs_read(PLANTED.read(path))],
        [outcomes.dataset(TITLES[path.parents[1].name], ATTRITION.read(path)) for path in attrition],
    )
    heads = [read_page(path, tree) for path in pages]
    root = Graph.around(lineage).root_of_tree(tree)
    example, restricted = read_examples(examples, tree)
    text = index_page(found, heads, example, restricted, sorted(context.stand_ins), tree, root, templates)
    page.path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(site_index)
