"""Billing codes of the admissions of the cohort."""

import pyarrow as pa

from clinragen.config.extract import Diagnoses
from clinragen.errors import UserError
from clinragen.extract.layout import Layout
from clinragen.extract.sources import LEAST_DIFFERENT, RawTables
from clinragen.schemas.attrition import Attrition

# Diagnoses as MIMIC writes them: without a dot, with leading zeros.
FORMS = {9: "[0-9]{3,5}|V[0-9]{2,4}|E[0-9]{3,4}", 10: "[A-Z][0-9][0-9A-Z]{1,5}"}
MOST_MALFORMED = 0.1
# Any sample of this many ICD-9 codes includes infections (001 to 139).
ENOUGH_CODES = 1_000


def select_diagnoses(raw: RawTables, layout: Layout, stays: pa.Table, repairs: Diagnoses) -> tuple[pa.Table, pa.Table]:
    """Return the codes of every stay, whatever their rank (DIAGNOSES), and the counts (ATTRITION).

    They belong to the whole admission, not to the ICU stay: that is the benchmark's design. UserError where the
    table is cut, doubled or of other patients, or its codes are not those of their ICD version.
    """
    attrition = Attrition("diagnoses")
    raw.add("stays", stays)
    raw.run(f"CREATE TABLE codes AS {layout.codes}")
    rows = raw.row("SELECT count(*) FROM codes")[0]
    raw.check_rows({"diagnoses_icd": rows})
    attrition.add("codes in the raw file", rows=rows)
    raw.run("DELETE FROM codes WHERE icd_code IS NULL OR icd_code = ''")
    _check_codes(raw)
    attrition.add("with a code", rows=raw.row("SELECT count(*) FROM codes")[0])
    if not repairs.unlisted_codes:
        raw.run(f"DELETE FROM codes WHERE (icd_version, icd_code) NOT IN ({layout.dictionary})")
        attrition.add("with a code of the dictionary", rows=raw.row("SELECT count(*) FROM codes")[0])
    codes = raw.query(
        """SELECT stay_id, position, icd_version, icd_code FROM codes JOIN stays USING (hadm_id)
           ORDER BY stay_id, position, icd_code"""
    )
    with_codes = len(codes["stay_id"].unique())
    raw.check_coverage("diagnoses_icd", with_codes, stays.num_rows)
    attrition.add("of a stay of the cohort", rows=codes.num_rows, stays=with_codes)
    return codes, attrition.to_table()


def _check_codes(raw: RawTables) -> None:
    """Raise UserError if more than a few codes lack the form of their ICD version, or if rows occur twice."""
    path = raw.paths["diagnoses_icd"]
    form = " ".join(f"WHEN {version} THEN '{pattern}'" for version, pattern in FORMS.items())
    for version, codes, wrong, zeros in raw.rows(
        f"""SELECT icd_version, count(*), count(*) FILTER (NOT coalesce(regexp_full_match(icd_code, form), false)),
                   count(*) FILTER (icd_code LIKE '0%')
            FROM (SELECT *, CASE icd_version {form} END AS form FROM codes) GROUP BY icd_version"""
    ):
        if wrong > MOST_MALFORMED * codes:
            raise UserError(
                f"{path}: {wrong} of {codes} codes of ICD version {version} do not have the form of that version (as "
                "in MIMIC: 4019 or V4581 for ICD-9-CM, I10 or E1165 for ICD-10-CM, without a dot); use the table as "
                "PhysioNet ships it"
            )
        if version == 9 and codes >= ENOUGH_CODES and not zeros:
            raise UserError(
                f"{path}: no ICD-9 code of {codes} begins with 0: leading zeros were removed; use the table "
                "as PhysioNet ships it"
            )
    rows, different = raw.row("SELECT count(*), count(DISTINCT (hadm_id, position, icd_version, icd_code)) FROM codes")
    if different < LEAST_DIFFERENT * rows:
        raise UserError(f"{path}: only {different} of {rows} rows are different: rows occur twice; download it again")
