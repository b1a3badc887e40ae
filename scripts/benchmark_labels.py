"""Command line of rule benchmark_labels."""

from pathlib import Path

from clinragen.step import Out, SharedOut, run


def benchmark_labels(
    diagnoses: Path, stays: Path, phenotypes: Path, icd10: Path, labels: Out, prevalence: SharedOut, codes: SharedOut
) -> None:
    """Label every stay with its phenotypes, and list the codes that belong to none."""
    from clinragen.benchmark.labels import group_codes, label_stays, list_unlabelled, read_ccs, read_icd10_groups
    from clinragen.benchmark.prevalence import compare_prevalence
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.schemas.benchmark import LABELS, PREVALENCE, UNLABELLED_CODES
    from clinragen.schemas.extract import DIAGNOSES, STAYS

    cohort = STAYS.read(stays, columns=("stay_id", "subject_id"))
    codes_of_stays = DIAGNOSES.read(diagnoses)
    groups = group_codes(codes_of_stays, read_ccs(phenotypes), read_icd10_groups(icd10))
    table = label_stays(codes_of_stays, read_phenotypes(phenotypes), groups)
    LABELS.write(table, labels)
    PREVALENCE.write(compare_prevalence(table, cohort, phenotypes), prevalence)
    UNLABELLED_CODES.write(list_unlabelled(codes_of_stays, cohort, groups), codes)


if __name__ == "__main__":
    run(benchmark_labels)
