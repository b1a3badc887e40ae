"""The brief hospital course: found in a discharge summary, cut out, cleaned."""

import re
from collections.abc import Iterable
from itertools import groupby
from string import punctuation

import pyarrow as pa

from clinragen.config.benchmark import Course
from clinragen.disclosure import shown_parts
from clinragen.schemas.benchmark import COURSES, HEADINGS

# Heading variants that public extractors of MIMIC list, at the start of a line, in any case.
_OF = r"(?:brief\s+summary\s+of|concise\s+summary\s+of|summary\s+of|details\s+of|review\s+of|history\s+of|brief)"
_TOPIC = r"(?:systems?|problems?|issues?)"
_BY = rf"(?:\s+by\s+{_TOPIC}(?:\s*/\s*{_TOPIC})?(?:\s+including\s+pertinent\s+laboratory\s+data)?)?"
_UNIT = r"(?:icu|micu|sicu|ccu|ed|er|or|clinic|post-op|floor)"
# A heading may go on in free words up to a colon; these are not recorded, because they could name a person.
_AND = r"and\s+(?:treatment|management|plan|therapy|procedures?)\b\)?[ \t]*"
_TAIL = rf"[ \t]*[(\u2013-]?[ \t]*(?:by\b[^:;\n]{{0,40}}|{_AND})[:;]"
HEADING = re.compile(
    rf"^[ \t]*((?:{_OF}\s+)?hospital\s+course{_BY})(?:[ \t]*(?:[:;]|$)|{_TAIL})", re.IGNORECASE | re.MULTILINE
)
# The course of one unit, or of none that is named. Such a line may be part of the history of the present illness or
# divide the course of the whole stay: it counts only where HEADING has no section, and never ends one of those.
UNIT_HEADING = re.compile(
    rf"^[ \t]*((?:{_OF}\s+)?(?:{_UNIT}\s+(?:hospital\s+)?)?course{_BY})[ \t]*(?::|$)", re.IGNORECASE | re.MULTILINE
)
# Only these end the section: sub-headings such as "# Anemia:" or "TRANSITIONAL ISSUES:" belong to it.
# A single word is a heading with a colon or alone on its line only: wrapped prose may begin a line with it.
NEXT_HEADING = re.compile(
    r"^[ \t]*(?:medications?\s+on\s+admission|admission\s+medications?|discharge\s+medications?|"
    r"medications?\s+on\s+discharge|discharge\s+disposition|(?:disposition|facility)(?=[ \t]*(?::|$))|"
    r"(?:(?:final|primary|secondary|other|additional)\s+)*discharge\s+diagnos[ei]s|"
    # These sections name the diseases, which are the labels.
    r"(?:(?:final|principal|primary|secondary|other|additional|admission|admitting|postoperative)\s+)+diagnos[ei]s"
    r"(?=[ \t]*(?:[:;]|$))|diagnos[ei]s(?:\s+(?:on|at)\s+(?:discharge|admission))?(?=[ \t]*[:;])|"
    r"(?:past|previous|prior)\s+(?:medical|surgical)(?:\s+and\s+surgical)?\s+history(?=[ \t]*(?:[:;]|$))|"
    r"medications?(?=[ \t]*[:;])|"
    r"condition\s+(?:on|at)\s+discharge|discharge\s+(?:status|condition|instructions?|followup|follow-up)|"
    r"follow-?\s?up\s+(?:instructions?|plans?)|pending\s+results|dictated\s+by|completed\s+by)[ \t]*:?",
    re.IGNORECASE | re.MULTILINE,
)
# Headings after the history of the present illness, which may contain the course of a unit.
AFTER_HISTORY = re.compile(
    r"^[ \t]*(?:(?:past|previous|prior)\s+(?:medical|surgical)(?:\s+and\s+surgical)?\s+history|pmhx?|"
    r"(?:social|family|medical|surgical)\s+history|history\s+of\s+(?:the\s+)?present\s+illness|chief\s+complaint|"
    r"(?:(?:home|current|outpatient)\s+)?medications?|allerg(?:y|ies)|review\s+of\s+systems|"
    r"(?:admission\s+|discharge\s+|initial\s+)?physical\s+exam(?:ination)?(?:\s+(?:on|at)\s+(?:admission|discharge))?|"
    r"pertinent\s+(?:results|labs?|laboratory\s+data|studies)|(?:admission|discharge)\s+(?:exam|labs?|laboratory\s+data)|"
    r"(?:labs?|laboratory\s+data)(?:\s+(?:on|at)\s+(?:admission|discharge))?|laboratory\s+(?:results|studies)|"
    r"imaging(?:\s+studies)?|studies|microbiology|radiology|major\s+surgical\s+or\s+invasive\s+procedures?|"
    r"(?:(?:admission|admitting|final|primary|secondary|principal)\s+)?diagnos[ei]s)[ \t]*(?::|$)",
    re.IGNORECASE | re.MULTILINE,
)
# Identifiers removed by MIMIC-III ([** ... **], over several lines) and MIMIC-IV (___).
PLACEHOLDER = re.compile(r"\[\*\*.*?\*\*\]|_{2,}", re.DOTALL)
# In the table of headings: stays without a course in any note.
NO_COURSE = "(none)"
PUNCTUATION = punctuation + "“”‘’–—…•"
NEGATIONS = frozenset({"no", "not", "nor", "without", "none", "never", "neither", "cannot"})


def find_course(text: str, min_characters: int) -> tuple[str, str] | None:
    """Return heading and body of the hospital course, the longest body if several match; None without one.

    The course of a unit is taken only if no course of the hospital stay exists.
    """
    return _longest(text, HEADING, (HEADING, NEXT_HEADING), min_characters) or _longest(
        text, UNIT_HEADING, (HEADING, UNIT_HEADING, NEXT_HEADING, AFTER_HISTORY), min_characters
    )


def _longest(
    text: str, heading: re.Pattern[str], ends: tuple[re.Pattern[str], ...], min_characters: int
) -> tuple[str, str] | None:
    """Return heading and body of the longest section from such a heading to the next of the ends."""
    sections = []
    for match in heading.finditer(text):
        rest = text[match.end() :]
        body = rest[: min((m.start() for e in ends if (m := e.search(rest))), default=len(rest))].strip()
        if len(body) >= min_characters:
            sections.append((" ".join(match.group(1).lower().split()), body))
    return max(sections, key=lambda f: len(f[1]), default=None)


def clean_course(text: str, settings: Course, stop_words: frozenset[str]) -> str:
    """Return the course as student and teacher read it: placeholders, digits and stop words removed.

    Punctuation is dropped only around stop words, which an exact comparison would miss otherwise.
    """
    text = PLACEHOLDER.sub(" ", text)
    if settings.remove_digits:
        text = re.sub(r"[0-9]+(?:[.,:/%][0-9]*)*", " ", text)
    words = text.split()
    if settings.remove_stop_words:
        dropped = stop_words - NEGATIONS if settings.keep_negation else stop_words
        words = [w for w in words if w.lower().strip(PUNCTUATION) not in dropped | {""}]
    return " ".join(words)


def select_courses(
    notes: Iterable[dict], patients: dict[int, int], settings: Course, stop_words: frozenset[str]
) -> tuple[pa.Table, pa.Table]:
    """Return the cleaned course of each stay, from its first note that has one (COURSES), and the headings (HEADINGS).

    Rows of NOTES come stay by stay and by rank, so that only the courses are kept in memory.
    """
    courses = []
    stays_of: dict[str, list[int]] = {NO_COURSE: []}
    for stay, group in groupby(notes, key=lambda note: note["stay_id"]):
        sections = (find_course(note["text"], settings.min_characters) for note in group)
        cleaned = ((heading, clean_course(body, settings, stop_words)) for heading, body in filter(None, sections))
        heading, text = next((c for c in cleaned if c[1]), (NO_COURSE, ""))
        stays_of.setdefault(heading, []).append(stay)
        if text:
            courses.append({"stay_id": stay, "heading": heading, "text": text})
    return pa.Table.from_pylist(courses, schema=COURSES.schema), _count_headings(stays_of, patients)


def _count_headings(stays_of: dict[str, list[int]], patients: dict[int, int]) -> pa.Table:
    """Return stays and their share per heading (HEADINGS), those of few patients hidden."""
    names = sorted(stays_of)
    counts = [len(stays_of[name]) for name in names]
    visible = shown_parts([{patients[stay] for stay in stays_of[name]} for name in names])
    rows = [
        {"heading": name, "stays": count if seen else None, "share": count / max(sum(counts), 1) if seen else None}
        for name, count, seen in zip(names, counts, visible, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=HEADINGS.schema)
