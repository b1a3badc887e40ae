"""Command line of rule extract_inventory."""

from pathlib import Path

from clinragen.step import SharedOut, run


def extract_inventory(
    extracted: list[Path], raw_tables: Path, dataset: str, release: Path, inventory: SharedOut
) -> None:
    """List size and SHA-256 of the raw files, from the records of the steps that read them."""
    from clinragen.extract.inventory import list_raw_files
    from clinragen.schemas.extract import INVENTORY, RELEASE

    recognised = RELEASE.read(release)["release"][0].as_py()
    INVENTORY.write(list_raw_files(dataset, recognised, extracted, raw_tables), inventory)


if __name__ == "__main__":
    run(extract_inventory)
