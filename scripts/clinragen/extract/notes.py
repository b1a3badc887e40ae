"""Discharge notes of the admissions of the cohort."""

from collections.abc import Callable

import pyarrow as pa

from clinragen.config.extract import Notes
from clinragen.extract.sources import RawTables
from clinragen.tables.attrition import Attrition

# They are long: a batch is some ten megabytes.
ROWS_PER_BATCH = 2_000
# `newest` orders the reports of one admission, the one to read first having the largest value.
DISCHARGE_NOTES = {
    "mimic3": """
        SELECT hadm_id::BIGINT AS hadm_id, row_id AS note_id, text AS text,
               trim(description) = 'Addendum' AS addendum,
               (chartdate::TIMESTAMP_S, row_id::BIGINT) AS newest
        FROM raw_noteevents
        WHERE category = 'Discharge summary' AND coalesce(trim(iserror), '0') <> '1'
              AND trim(description) IN ('Report', 'Addendum')""",
    "mimic4": """
        SELECT hadm_id::BIGINT AS hadm_id, note_id AS note_id, text AS text,
               note_type = 'AD' AS addendum,
               (NULL::TIMESTAMP_S, note_seq::BIGINT) AS newest
        FROM raw_noteevents WHERE note_type IN ('DS', 'AD')""",
}


def select_notes(
    raw: RawTables, dataset: str, stays: pa.Table, settings: Notes, write: Callable[[pa.RecordBatch], None]
) -> pa.Table:
    """Write discharge reports per stay, the newest first (NOTES, in batches); the counts (ATTRITION)."""
    attrition = Attrition("notes")
    raw.add("stays", stays)
    # All notes are counted in the same pass, but only the texts of the cohort are kept.
    raw.run(
        f"""CREATE TABLE notes AS
            SELECT * REPLACE (CASE WHEN hadm_id IN (SELECT hadm_id FROM stays) THEN text END AS text)
            FROM ({DISCHARGE_NOTES[dataset]})"""
    )
    attrition.add("discharge notes without error mark", rows=raw.row("SELECT count(*) FROM notes")[0])
    if not settings.addenda:
        raw.run("DELETE FROM notes WHERE addendum")
        attrition.add("reports, not addenda", rows=raw.row("SELECT count(*) FROM notes")[0])
    chosen = "FROM notes JOIN stays USING (hadm_id) WHERE text IS NOT NULL"
    rows, stays_left = raw.row(f"SELECT count(*), count(DISTINCT stay_id) {chosen}")
    attrition.add("of a stay of the cohort", rows=rows, stays=stays_left)
    ranked = f"""SELECT stay_id, note_id, text,
                        row_number() OVER (PARTITION BY stay_id
                                           ORDER BY addendum, newest DESC, note_id)::INTEGER AS rank
                 {chosen} ORDER BY stay_id, rank"""
    for batch in raw.batches(ranked, ROWS_PER_BATCH):
        write(batch)
    return attrition.to_table()
