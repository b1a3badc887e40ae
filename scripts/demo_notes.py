"""Command line of the rules demo_notes_mimic3 and demo_notes_mimic4."""

from pathlib import Path

from clinragen.step import Context, Out, run


def demo_notes(
    context: Context,
    admissions: Path,
    icustays: Path,
    labevents: Path,
    outputevents: Path,
    d_items: Path,
    d_labitems: Path,
    phenotypes: Path,
    raw_tables: Path,
    dataset: str,
    source: str,
    notes: Out,
) -> None:
    """Write stand-in discharge notes in the layout of the release, from the structured record without its diagnoses."""
    from clinragen.demo.notes import TABLES, synthesize_notes
    from clinragen.demo.raw_files import columns_of_tables, write_table
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.registry.raw import TITLES

    context.stand_in("synthetic notes")
    if source == "open-demo":
        context.stand_in(f"open demo cohort of {TITLES[dataset]} (100 patients)")
    files = (admissions, icustays, labevents, outputevents, d_items, d_labitems)
    rows = synthesize_notes(dataset, dict(zip(TABLES, files, strict=True)), read_phenotypes(phenotypes))
    columns = columns_of_tables(raw_tables, dataset)["noteevents"]
    write_table(notes.path, columns, rows, quoted=("category", "description", "text"))


if __name__ == "__main__":
    run(demo_notes)
