"""Identifiers of patients, admissions, stays and notes in what is to be shared.

Numbers of six digits and more are searched for everywhere; shorter ones, which counts and codes share, only where names
or words say that they identify.
"""

import re
from collections.abc import Iterable, Iterator

from clinragen.audit.contents import Value

HASH = re.compile(r"\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{12,}\b")
LONG = re.compile(r"(?<!\d)(?<!\d\.)(\d{6,})(?:\.0+)?(?!\d)(?!\.\d)")
LETTERED = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)+")
PERSON = r"(?:subject|patient|hadm|hospital admission|icu ?stay|mrn)s?"
UNIT = r"(?!\s*(?:h|hrs?|hours?|d|days?|weeks?|months?|years?|%)\b)"
NAMED = (
    # stay_id=12, "note ids": [3, 4], patient: 12
    re.compile(
        rf"(?:{PERSON}|stay|admission|note|row|episode)[ _-]?(?:ids?|no\.?|nr\.?|numbers?)\b"
        r"[\s\"':=#(\[]*(\d[\d\s,;\"']*)", re.I),
    re.compile(rf"(?<![a-z]){PERSON}[\"']?\s*[:=#]\s*[\"'\[(]?(\d[\d\s,;\"']*)(?!\d){UNIT}", re.I),
    re.compile(rf"(?<![a-z]){PERSON}[ _](\d{{3,}}(?:[,;]\s+\d+)*)(?!\d|[.,]\d){UNIT}", re.I),
    re.compile(r"(?<!\d)(\d+)_episode\d", re.I),
)  # fmt: skip
ID_NAME = re.compile(
    r"(?<![a-z])((subject|patient|hadm|admission|icu_?stay|stay|note|person|row)[ _-]?ids?|hadm|mrn|icu_?stay)"
    r"(?![a-z])",
    re.I,
)
# Under these names a number is somebody's if it is a known one, but for names of measures.
ABOUT = re.compile(
    r"(?<![a-z])(subject|patient|person|hadm|stay|icu_?stay|mrn|note|admission|episode|sample|case)s?(?![a-z])", re.I
)
MEASURE = re.compile(
    r"(?<![a-z])(hours?|days|years?|ages?|count|share|rate|percent|length|total|mean|median|quartile|order|number|code|tokens|max)"
    r"(?![a-z])",
    re.I,
)
NUMBERS_ONLY = re.compile(r"[\[(]?\s*\d+(?:\.0+)?(?:[,;\s]+\d+(?:\.0+)?)*\s*[\])]?")
# So many different whole numbers in a column, nearly all of them known, are no chance, whatever its name.
FEWEST_VALUES, MOST = 5, 0.9
# Names of sizes, times and machine numbers, which are not identifiers whatever their value ...
SIZES = {"bytes", "contentSize", "rows", "seed", "wall_seconds", "memory_limit_mb", "memory_mb", "peak_memory_mb"}
SIZES |= {"SLURM_JOB_ID"}
# ... and of counts, none of which has as many digits as an identifier of MIMIC-IV.
COUNTS = {"stays", "admissions", "subjects", "patients", "icustays", "codes", "inputs", "roots", "number", "samples"}
COUNTS |= {"cases", "stays with it"}
LONGEST_COUNT = 7


def _after(names: set[str], between: str, digits: str) -> str:
    return rf"\b(?:{'|'.join(sorted(name.replace('_', '[_-]') for name in names))})[\"']?{between}[\"']?{digits}(?!\d)"


COUNT_IN_TEXT = re.compile(
    rf"{_after(SIZES, '[ :=]+', '[0-9]+')}"
    rf"|{_after(COUNTS, ' *[:=] *', f'[0-9]{{1,{LONGEST_COUNT}}}')}(?!\s*[,;]\s*\d)|\b\d+ (?:rows|bytes)\b"
)


def identifiers_in(values: Iterable[Value], known: set[str]) -> Iterator[tuple[str, str]]:
    """Kind and place of what identifies in a file: values, and whole columns of them."""
    columns: dict[str, list[str]] = {}
    for value in values:
        about = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", " ".join(value.names))
        column = value.place.split(", ", 1)[-1]
        if ID_NAME.search(about) and re.search(r"\d", value.text):
            yield ("column of identifiers", column) if value.tabular else ("identifier", value.place)
        elif is_count(value.name, value.text):
            continue
        elif is_identifier(about, value.text, known) or contains_identifier(value.text, known):
            yield "identifier", value.place
        elif value.tabular and not MEASURE.search(value.name) and value.text.strip():
            columns.setdefault(column, []).append(value.text.strip())
    for column, cells in columns.items():
        hits = sum(cell.removesuffix(".0") in known for cell in cells)
        if len(set(cells)) >= FEWEST_VALUES and hits >= MOST * len(cells):
            yield "column of identifiers", column


def long_numbers(text: str, known: set[str]) -> int:
    """How many numbers of a text are known and too long to be so by chance."""
    return sum(m[1] in known for m in LONG.finditer(HASH.sub(" ", text)) if len(m[1]) > LONGEST_COUNT)


def in_name(path: str, known: set[str]) -> bool:
    """Whether the path of a file holds an identifier."""
    path = re.sub(r"seed\d+", "", HASH.sub("", path))
    return any(number.lstrip("0") in known for number in re.findall(r"\d{3,}", path))


def contains_identifier(text: str, known: set[str]) -> bool:
    """Whether a text holds an identifier: a long number or a lettered one anywhere, a short one where words say so."""
    text = COUNT_IN_TEXT.sub(" ", HASH.sub(" ", text))
    if any(match[1].lstrip("0") in known for match in LONG.finditer(text)):
        return True
    if any(match.group() in known for match in LETTERED.finditer(text)):
        return True
    return any(
        number.lstrip("0") in known
        for pattern in NAMED
        for match in pattern.finditer(text)
        for number in re.findall(r"\d+", match[1])
    )


def is_identifier(about: str, text: str, known: set[str]) -> bool:
    """Whether a value is nothing but numbers, a known one among them, under names of identifiers."""
    if not ABOUT.search(about) or MEASURE.search(about) or not NUMBERS_ONLY.fullmatch(text.strip()):
        return False
    return any(number.lstrip("0") in known for number in re.findall(r"(?<![.\d])\d+", text))


def is_count(name: str, text: str) -> bool:
    """Whether a value is a number under the name of a size, time or count."""
    if not re.fullmatch(r"[\d\s.,+-]*", text):
        return False
    return name in SIZES or (name in COUNTS and not re.search(rf"\d{{{LONGEST_COUNT + 1},}}", text))
