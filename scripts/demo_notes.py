"""Command line of rule demo_notes."""

from pathlib import Path

from clinragen.step import Context, Out, run


def demo_notes(
    context: Context,
    admissions: Path,
    icustays: Path,
    labevents: Path,
    procedures_icd: Path,
    d_icd_procedures: Path,
    d_labitems: Path,
    phenotypes: Path,
    raw_tables: Path,
    source: str,
    notes: Out,
) -> None:
    """Write stand-in discharge notes in the layout of NOTEEVENTS, from the structured record without its diagnoses."""
    from clinragen.demo.notes import TABLES, synthesize_notes
    from clinragen.demo.raw_files import columns_of_tables, write_table
    from clinragen.registry.phenotypes import read_phenotypes

    context.stand_in("synthetic notes")
    if source == "open-demo":
        context.stand_in("open demo cohort (100 patients)")
    files = (admissions, icustays, labevents, procedures_icd, d_icd_procedures, d_labitems)
    rows = synthesize_notes(dict(zip(TABLES, files, strict=True)), read_phenotypes(phenotypes))
    columns = columns_of_tables(raw_tables, "mimic3")["noteevents"]
    write_table(notes.path, [c.upper() for c in columns], rows, quoted=("CATEGORY", "DESCRIPTION", "TEXT"))


if __name__ == "__main__":
    run(demo_notes)
