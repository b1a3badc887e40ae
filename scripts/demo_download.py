"""Command line of the rules demo_download_mimic3 and demo_download_mimic4."""

from pathlib import Path

from clinragen.step import Context, Out, run


def demo_download(
    context: Context,
    pinned: Path,
    raw_tables: Path,
    dataset: str,
    base_url: str,
    patients: Out,
    admissions: Out,
    icustays: Out,
    diagnoses_icd: Out,
    chartevents: Out,
    labevents: Out,
    outputevents: Out,
    d_items: Out,
    d_labitems: Out,
) -> None:
    """Download the tables of an open demo from PhysioNet, checked and compressed."""
    from clinragen.demo.download import download_tables
    from clinragen.registry.checksums import read_checksums
    from clinragen.registry.raw import TITLES, declaration

    context.stand_in(f"open demo cohort of {TITLES[dataset]} (100 patients)")
    outputs = {
        **{"patients": patients, "admissions": admissions, "icustays": icustays, "diagnoses_icd": diagnoses_icd},
        **{"chartevents": chartevents, "labevents": labevents, "outputevents": outputevents},
        **{"d_items": d_items, "d_labitems": d_labitems},
    }
    tables = declaration(raw_tables)[dataset]["tables"]
    destinations = {tables[table]["file"]: out.path for table, out in outputs.items()}
    download_tables(base_url, destinations, read_checksums(pinned.read_text(encoding="utf-8")))


if __name__ == "__main__":
    run(demo_download)
