"""How the raw tables of each dataset are laid out: all that the extraction does differently for MIMIC-III and -IV.

`LAYOUTS` has one `Layout` per dataset. Its queries read the views `raw_<table>` of `sources.RawTables`, whose columns
are texts as in the files, and give both datasets the same columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """The raw tables of one dataset: names of columns, and queries."""

    keys: Mapping[str, str]
    """The identifier of each of PATIENTS, ADMISSIONS and ICUSTAYS, present and unique in every row."""
    years: Mapping[str, Mapping[str, str]]
    """Further columns with a date, per table, and the SQL expression of its year."""
    stays: str
    """All ICU stays: subject_id, hadm_id, stay_id, intime, outtime, los_hours, age in years, gender, and whether the
    patient was transferred between units."""
    codes: str
    """All billing codes: hadm_id, position, icd_version, icd_code."""
    dictionary: str
    """The codes of the dictionary of diagnoses: icd_version, icd_code."""
    discharge_notes: str
    """All discharge notes without error mark: hadm_id, note_id, text, whether it is an addendum, and `newest`, which
    orders the notes of an admission; the one to read first has the largest value."""
    note_id: str
    """The identifier of a note."""
    notes_have_own_release: bool
    """Whether the notes are a separate module, with releases that the numbers of rows of the others do not identify."""

    @property
    def stay_id(self) -> str:
        """The identifier of an ICU stay, in ICUSTAYS and CHARTEVENTS."""
        return self.keys["icustays"]


_FROM = """
        FROM raw_icustays s
        JOIN raw_admissions a ON a.subject_id::BIGINT = s.subject_id::BIGINT AND a.hadm_id::BIGINT = s.hadm_id::BIGINT
        JOIN raw_patients p ON p.subject_id::BIGINT = s.subject_id::BIGINT"""

MIMIC3 = Layout(
    keys={"patients": "subject_id", "admissions": "hadm_id", "icustays": "icustay_id"},
    years={"patients": {"dob": "year(dob::TIMESTAMP_S)"}},
    stays=f"""
        SELECT s.subject_id::BIGINT AS subject_id, s.hadm_id::BIGINT AS hadm_id, s.icustay_id::BIGINT AS stay_id,
               s.intime::TIMESTAMP_S AS intime, s.outtime::TIMESTAMP_S AS outtime, s.los::DOUBLE * 24 AS los_hours,
               date_diff('second', p.dob::TIMESTAMP_S, s.intime::TIMESTAMP_S) / (365.0 * 24 * 3600) AS age,
               p.gender AS gender,
               NOT coalesce(s.first_careunit = s.last_careunit AND s.first_wardid = s.last_wardid, false) AS transfer
        {_FROM}""",
    codes="""
        SELECT hadm_id::BIGINT AS hadm_id, seq_num::INTEGER AS position, 9::TINYINT AS icd_version,
               trim(icd9_code) AS icd_code
        FROM raw_diagnoses_icd""",
    dictionary="SELECT 9::TINYINT AS icd_version, trim(icd9_code) AS icd_code FROM raw_d_icd_diagnoses",
    discharge_notes="""
        SELECT hadm_id::BIGINT AS hadm_id, row_id AS note_id, text AS text,
               trim(description) = 'Addendum' AS addendum,
               (chartdate::TIMESTAMP_S, row_id::BIGINT) AS newest
        FROM raw_noteevents
        WHERE category = 'Discharge summary' AND coalesce(trim(iserror), '0') <> '1'
              AND trim(description) IN ('Report', 'Addendum')""",
    note_id="row_id",
    notes_have_own_release=False,
)

MIMIC4 = Layout(
    keys={"patients": "subject_id", "admissions": "hadm_id", "icustays": "stay_id"},
    years={"patients": {"anchor_year": "anchor_year::INTEGER"}},
    stays=f"""
        SELECT s.subject_id::BIGINT AS subject_id, s.hadm_id::BIGINT AS hadm_id, s.stay_id::BIGINT AS stay_id,
               s.intime::TIMESTAMP_S AS intime, s.outtime::TIMESTAMP_S AS outtime, s.los::DOUBLE * 24 AS los_hours,
               p.anchor_age::DOUBLE + (year(s.intime::TIMESTAMP_S) - p.anchor_year::INTEGER) AS age,
               p.gender AS gender,
               NOT coalesce(s.first_careunit = s.last_careunit, false) AS transfer
        {_FROM}""",
    codes="""
        SELECT hadm_id::BIGINT AS hadm_id, seq_num::INTEGER AS position, icd_version::TINYINT AS icd_version,
               trim(icd_code) AS icd_code
        FROM raw_diagnoses_icd""",
    dictionary="SELECT icd_version::TINYINT AS icd_version, trim(icd_code) AS icd_code FROM raw_d_icd_diagnoses",
    discharge_notes="""
        SELECT hadm_id::BIGINT AS hadm_id, note_id AS note_id, text AS text,
               note_type = 'AD' AS addendum,
               (NULL::TIMESTAMP_S, note_seq::BIGINT) AS newest
        FROM raw_noteevents WHERE note_type IN ('DS', 'AD')""",
    note_id="note_id",
    notes_have_own_release=True,
)

LAYOUTS: Mapping[str, Layout] = {"mimic3": MIMIC3, "mimic4": MIMIC4}
