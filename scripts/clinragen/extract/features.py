"""Features of a patient at admission, for models with conditional prompts."""

import logging

import pyarrow as pa

from clinragen.extract.sources import RawTables
from clinragen.registry.features import CATEGORIES, OTHER

log = logging.getLogger("features")
LIST = ", ".join("'{}'".format(name.replace("'", "''")) for name in CATEGORIES["admission_type"])


def select_features(raw: RawTables, stays: pa.Table) -> pa.Table:
    """Return age in years, sex and type of admission of every stay (FEATURES); ages above 89 are 90, as in STAYS.

    A missing or unknown sex or type of admission becomes OTHER and is counted in the log.
    """
    raw.add("stays", stays)
    table = raw.query(
        f"""SELECT s.stay_id, s.age,
                   CASE WHEN s.gender IN ('F', 'M') THEN s.gender ELSE '{OTHER}' END AS sex,
                   CASE WHEN upper(trim(a.admission_type)) IN ({LIST}) THEN upper(trim(a.admission_type))
                        ELSE '{OTHER}' END AS admission_type
            FROM stays s LEFT JOIN raw_admissions a ON a.hadm_id::BIGINT = s.hadm_id ORDER BY s.stay_id"""
    )
    for name in CATEGORIES:
        others = table[name].to_pylist().count(OTHER)
        log.log(logging.WARNING if others else logging.INFO, "%s: %d of %d stays are other", name, others, len(table))
    return table
