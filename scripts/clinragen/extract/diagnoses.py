"""Billing codes of the admissions of the cohort."""

import pyarrow as pa

from clinragen.config.extract import Diagnoses
from clinragen.extract.sources import RawTables
from clinragen.schemas.attrition import Attrition

CODES = {
    "mimic3": """SELECT hadm_id::BIGINT AS hadm_id, seq_num::INTEGER AS position, 9::TINYINT AS icd_version,
                        trim(icd9_code) AS icd_code FROM raw_diagnoses_icd""",
    "mimic4": """SELECT hadm_id::BIGINT AS hadm_id, seq_num::INTEGER AS position, icd_version::TINYINT AS icd_version,
                        trim(icd_code) AS icd_code FROM raw_diagnoses_icd""",
}
DICTIONARY = {
    "mimic3": "SELECT 9::TINYINT AS icd_version, trim(icd9_code) AS icd_code FROM raw_d_icd_diagnoses",
    "mimic4": "SELECT icd_version::TINYINT AS icd_version, trim(icd_code) AS icd_code FROM raw_d_icd_diagnoses",
}


def select_diagnoses(raw: RawTables, dataset: str, stays: pa.Table, repairs: Diagnoses) -> tuple[pa.Table, pa.Table]:
    """Codes per stay (DIAGNOSES), all ranks alike, and the counts (ATTRITION).

    They belong to the whole admission, not to the ICU stay: that is the benchmark's design.
    """
    attrition = Attrition("diagnoses")
    raw.add("stays", stays)
    raw.run(f"CREATE TABLE codes AS {CODES[dataset]}")
    attrition.add("codes in the raw file", rows=raw.row("SELECT count(*) FROM codes")[0])
    raw.run("DELETE FROM codes WHERE icd_code IS NULL OR icd_code = ''")
    attrition.add("with a code", rows=raw.row("SELECT count(*) FROM codes")[0])
    if not repairs.unlisted_codes:
        raw.run(f"DELETE FROM codes WHERE (icd_version, icd_code) NOT IN ({DICTIONARY[dataset]})")
        attrition.add("with a code of the dictionary", rows=raw.row("SELECT count(*) FROM codes")[0])
    chosen = raw.query(
        """SELECT stay_id, position, icd_version, icd_code FROM codes JOIN stays USING (hadm_id)
           ORDER BY stay_id, position, icd_code"""
    )
    attrition.add("of a stay of the cohort", rows=chosen.num_rows, stays=len(chosen["stay_id"].unique()))
    return chosen, attrition.to_table()
