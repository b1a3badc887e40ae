"""Identifiers of patients, admissions, stays and notes in the files of a release.

Numbers of six digits and more are searched for everywhere; shorter ones, which may be counts or codes, only where a
name or a word next to them says that they identify.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from clinragen.audit.contents import Value

# Hashes, and the names that Matplotlib gives to the markers (m) and clip paths (p) of a drawing.
HASH = re.compile(
    r"\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{12,}\b"
    r"|(?:^|(?<=[\"#]))[mp](?=[0-9]*[a-f])[0-9a-f]{10}(?=[\")]|$)"
)
# Pictures in a page; what they contain is checked where they are decoded.
PICTURE = re.compile(r"data:image/(?:png;base64,iVBOR|svg\+xml;base64,(?:PHN2Z|PD94b))[A-Za-z0-9+/]+={0,2}")
# Sizes of language models, such as opt-125m.
MODEL_SIZE = re.compile(r"(?<=-)\d+(?:\.\d+)?[bm](?![A-Za-z0-9])")
LONG = re.compile(r"(?<!\d)(?<!\d\.)(\d{6,})(?:\.0+)?(?!\d)(?!\.\d)")
LETTERED = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)+")
PERSON = r"(?:subject|patient|hadm|hospital admission|icu ?stay|mrn)s?"
UNIT = r"(?!\s*(?:h|hrs?|hours?|d|days?|weeks?|months?|years?|%)\b)"
NAMED = (
    # stay_id=12, "note ids": [3, 4], patient: 12
    re.compile(
        rf"(?:{PERSON}|stay|admission|note|row|episode)[ _-]?ids?\b"
        r"[\s\"':=#(\[]*(\d[\d\s,;\"']*)", re.I),
    re.compile(rf"(?<![a-z]){PERSON}[\"']?\s*[:=#]\s*[\"'\[(]?(\d[\d\s,;\"']*)(?!\d){UNIT}", re.I),
    re.compile(rf"(?<![a-z]){PERSON}[ _](\d{{3,}}(?:[,;]\s+\d+)*)(?!\d|[.,]\d){UNIT}", re.I),
    re.compile(r"(?<!\d)(\d+)_episode\d", re.I),
)  # fmt: skip


def _name(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{words})(?![a-z])", re.I)


# Names under which any number identifies; names under which a known number does, except if they are also measures.
ID_NAME = _name(r"(?:subject|patient|hadm|admission|icu_?stay|stay|note|person|row)[ _-]?ids?|hadm|mrn|icu_?stay")
ABOUT = _name(r"(?:subject|patient|person|hadm|stay|icu_?stay|mrn|note|admission|episode|sample|case)s?")
MEASURE = _name(
    r"hours?|days?|years?|ages?|count|share|rate|percent|lengths?|total|mean|median|quartile|order|number|code|tokens|max|%"
)
# Identifiers that were read as floats end in one zero; scores of 1.0000 do not.
_WHOLE = r"\d+(?:\.0)?"
NUMBERS_ONLY = re.compile(rf"[\[(]?\s*{_WHOLE}(?:[,;\s]+{_WHOLE})*\s*[\])]?")
# A column with so many different numbers, of which this share is known, holds identifiers, whatever its name.
FEWEST_VALUES, MOST = 5, 0.9
# Names of sizes, times and machine numbers, which do not identify, whatever their value ...
SIZES = {"bytes", "contentSize", "rows", "seed", "wall_seconds", "earlier_seconds", "memory_limit_mb", "memory_mb",
         "peak_memory_mb", "SLURM_JOB_ID"}  # fmt: skip
# ... and of counts, none of which has as many digits as an identifier of MIMIC-IV.
COUNTS = {"stays", "admissions", "subjects", "patients", "icustays", "codes", "inputs", "roots", "number", "samples",
          "cases", "jobs", "stays with it", "cases that fit"}  # fmt: skip
LONGEST_COUNT = 7


def _after(names: set[str], between: str, digits: str) -> str:
    return rf"\b(?:{'|'.join(sorted(name.replace('_', '[_-]') for name in names))})[\"']?{between}[\"']?{digits}(?!\d)"


COUNT_IN_TEXT = re.compile(
    rf"{_after(SIZES, '[ :=]+', '[0-9]+')}"
    rf"|{_after(COUNTS, ' *[:=] *', f'[0-9]{{1,{LONGEST_COUNT}}}')}(?!\s*[,;]\s*\d)|\b\d+ (?:rows|bytes)\b"
)


class Identifiers:
    """Finds known identifiers; each different text is searched once."""

    def __init__(self, known: set[str]) -> None:
        self._known = known
        self.contained = cache(self._contained)

    def among(self, values: Iterable[Value]) -> Iterator[tuple[str, str]]:
        """Yield kind and place of the identifiers among the values of a file, and of whole columns of them."""
        columns: dict[str, list[str]] = {}
        for value in values:
            about = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", " ".join(value.names))
            column = value.place.split(", ", 1)[-1]
            if ID_NAME.search(about) and re.search(r"\d", value.text):
                yield ("column of identifiers", column) if value.tabular else ("identifier", value.place)
            elif _is_count(value.name, value.text):
                continue
            elif self._is_one(about, value.text) or self.contained(value.text):
                yield "identifier", value.place
            elif value.tabular and not MEASURE.search(value.name) and value.text.strip():
                columns.setdefault(column, []).append(value.text.strip())
        for column, cells in columns.items():
            hits = sum(cell.removesuffix(".0") in self._known for cell in cells)
            if len(set(cells)) >= FEWEST_VALUES and hits >= MOST * len(cells):
                yield "column of identifiers", column

    def _contained(self, text: str) -> bool:
        """Return whether a text has a long or lettered identifier anywhere, or a short one where words say so."""
        text = COUNT_IN_TEXT.sub(" ", HASH.sub(" ", PICTURE.sub(" ", text)))
        named = (match[1] for pattern in NAMED for match in pattern.finditer(text))
        numbers = {number for part in named for number in re.findall(r"\d+", part)} | set(LONG.findall(text))
        return self._has(numbers) or not self._known.isdisjoint(LETTERED.findall(text))

    def unmistakable(self, text: str) -> set[str]:
        """Return the identifiers in a text that have letters, or more digits than any count."""
        text = HASH.sub(" ", text)
        numbers = {number for number in LONG.findall(text) if len(number) > LONGEST_COUNT}
        return self._known & (numbers | set(LETTERED.findall(text)))

    def in_name(self, path: str) -> bool:
        """Return whether the path of a file holds an identifier."""
        return self._has(re.findall(r"\d{3,}", re.sub(r"seed\d+", "", MODEL_SIZE.sub("", HASH.sub("", path)))))

    def _is_one(self, about: str, text: str) -> bool:
        """Return whether a value consists of numbers, a known one among them, under a name of something with one."""
        if not ABOUT.search(about) or MEASURE.search(about) or not NUMBERS_ONLY.fullmatch(text.strip()):
            return False
        return self._has(re.findall(r"(?<![.\d])\d+", text))

    def _has(self, numbers: Iterable[str]) -> bool:
        return any(number.lstrip("0") in self._known for number in numbers)


def _is_count(name: str, text: str) -> bool:
    """Return whether a value is a number under the name of a size, time or count."""
    if not re.fullmatch(r"[\d\s.,+-]*", text):
        return False
    return name in SIZES or (name in COUNTS and not re.search(rf"\d{{{LONGEST_COUNT + 1},}}", text))
