"""Discharge notes of the admissions of the cohort."""

from collections.abc import Callable

import pyarrow as pa

from clinragen.config.extract import Notes
from clinragen.errors import UserError
from clinragen.extract.layout import Layout
from clinragen.extract.sources import RawTables
from clinragen.schemas.attrition import Attrition

# Texts are long: this many are some tens of megabytes.
ROWS_PER_PIECE = 1_000


def select_notes(
    raw: RawTables, layout: Layout, stays: pa.Table, settings: Notes, write: Callable[[pa.Table], None]
) -> pa.Table:
    """Write the discharge reports of every stay, the newest first (NOTES, in pieces); return the counts (ATTRITION).

    UserError where the table is cut, doubled or of other patients.
    """
    attrition = Attrition("notes")
    raw.add("stays", stays)
    # All notes are counted in the same pass, but only the texts of the cohort are kept.
    counts = raw.run_and_count(
        f"""CREATE TABLE notes AS
            SELECT * REPLACE (CASE WHEN hadm_id IN (SELECT hadm_id FROM stays) THEN text END AS text)
            FROM ({layout.discharge_notes})"""
    )
    if not layout.notes_have_own_release:
        raw.check_rows(counts)
    rows, named, different = raw.row("SELECT count(*), count(note_id), count(DISTINCT note_id) FROM notes")
    if different < named:
        raise UserError(
            f"{raw.paths['noteevents']}: column {layout.note_id} has {named - different} values that occur before"
        )
    attrition.add("discharge notes without error mark", rows=rows)
    if not settings.addenda:
        raw.run("DELETE FROM notes WHERE addendum")
        attrition.add("reports, not addenda", rows=raw.row("SELECT count(*) FROM notes")[0])
    # Ranked and sorted without the texts, which memory does not hold; then these are fetched piece by piece.
    raw.run(
        """CREATE TABLE ranked AS
           SELECT n.rowid AS note, stay_id, row_number() OVER newest_first::INTEGER AS rank
           FROM notes n JOIN stays USING (hadm_id) WHERE text IS NOT NULL
           WINDOW newest_first AS (PARTITION BY stay_id ORDER BY addendum, newest DESC, note_id)"""
    )
    rows, stays_left = raw.row("SELECT count(*), count(DISTINCT stay_id) FROM ranked")
    raw.check_coverage("noteevents", stays_left, stays.num_rows)
    attrition.add("of a stay of the cohort", rows=rows, stays=stays_left)
    raw.run("CREATE TABLE numbered AS SELECT *, row_number() OVER (ORDER BY stay_id, rank) - 1 AS place FROM ranked")
    for first in range(0, rows, ROWS_PER_PIECE):
        piece = f"SELECT * FROM numbered WHERE place >= {first} AND place < {first + ROWS_PER_PIECE}"
        write(
            raw.query(
                f"""SELECT p.stay_id, n.note_id, p.rank, n.text
                    FROM notes n JOIN ({piece}) p ON n.rowid = p.note ORDER BY p.place"""
            )
        )
    return attrition.to_table()
