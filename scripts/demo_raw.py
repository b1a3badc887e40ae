"""Command line of the rules demo_raw_mimic3 and demo_raw_mimic4."""

from pathlib import Path

from clinragen.step import Context, Out, run


def demo_raw(
    context: Context,
    evidence: Path,
    items: Path,
    raw_tables: Path,
    dataset: str,
    number: int,
    share: str,
    seed: int,
    patients: Out,
    admissions: Out,
    icustays: Out,
    diagnoses_icd: Out,
    chartevents: Out,
    labevents: Out,
    noteevents: Out,
) -> None:
    """Write the raw files of a synthetic cohort with evidence planted for every phenotype, or of a rehearsal."""
    from clinragen.demo.bulk import write_raw
    from clinragen.demo.charting import read_items
    from clinragen.demo.evidence import read_evidence
    from clinragen.demo.raw_files import columns_of_tables
    from clinragen.demo.raw_releases import RELEASES

    context.stand_in("synthetic cohort")
    outputs = (patients, admissions, icustays, diagnoses_icd, chartevents, labevents, noteevents)
    columns = columns_of_tables(raw_tables, dataset)
    paths = {table: out.path for table, out in zip(columns, outputs, strict=True)}
    planted, of_dataset = read_evidence(evidence), read_items(items, dataset)
    if share:
        write_raw(dataset, float(share), seed, planted, of_dataset, raw_tables, columns, paths)
    else:
        RELEASES[dataset].write(number, seed, planted, of_dataset, columns, paths)


if __name__ == "__main__":
    run(demo_raw)
