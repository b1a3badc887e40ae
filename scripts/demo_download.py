"""Command line of rule demo_download."""

from pathlib import Path

from clinragen.step import Context, Out, run


def demo_download(
    context: Context,
    pinned: Path,
    base_url: str,
    admissions: Out,
    patients: Out,
    icustays: Out,
    diagnoses_icd: Out,
    chartevents: Out,
    labevents: Out,
    procedures_icd: Out,
    d_icd_procedures: Out,
    d_labitems: Out,
) -> None:
    """Download the tables of the open MIMIC-III demo from PhysioNet, checked and packed."""
    from clinragen.demo.download import download_tables
    from clinragen.registry.checksums import read_checksums

    context.stand_in("open demo cohort (100 patients)")
    outputs = (
        *(admissions, patients, icustays, diagnoses_icd, chartevents, labevents),
        *(procedures_icd, d_icd_procedures, d_labitems),
    )
    # An output is named as the release names it.
    destinations = {out.final.name.removesuffix(".csv.gz").upper(): out.path for out in outputs}
    download_tables(base_url, destinations, read_checksums(pinned.read_text(encoding="utf-8")))


if __name__ == "__main__":
    run(demo_download)
