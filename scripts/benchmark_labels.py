"""Command line of rule benchmark_labels."""

from pathlib import Path

from clinragen.kernel.step import Out, SharedOut, run


def benchmark_labels(
    diagnoses: Path, stays: Path, phenotypes: Path, icd10: Path, labels: Out, prevalence: SharedOut
) -> None:
    """Phenotypes of every stay."""
    from clinragen.benchmark.labels import label_stays, read_ccs, read_icd10_groups
    from clinragen.benchmark.prevalence import compare_prevalence
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.tables.benchmark import LABELS, PREVALENCE
    from clinragen.tables.extract import DIAGNOSES, STAYS

    cohort = STAYS.read(stays, columns=("stay_id", "subject_id"))
    stay_ids = cohort["stay_id"].to_pylist()
    names = read_phenotypes(phenotypes)
    codes = DIAGNOSES.read(diagnoses)
    table = label_stays(codes, stay_ids, names, read_ccs(phenotypes), read_icd10_groups(icd10))
    LABELS.write(table, labels.path)
    PREVALENCE.write(compare_prevalence(table, cohort, phenotypes), prevalence.path)


if __name__ == "__main__":
    run(benchmark_labels)
