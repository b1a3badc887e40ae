"""Which wordings are one term: case, hyphens, possessives, plurals, abbreviations.

`written_form` is the form of a term in a text, `canonical` the form that identifies it. Both are idempotent.
"""

import re
from collections.abc import Mapping

LONGEST_TERM = 5  # words
# Words that only look like plurals, and plurals that no rule below covers.
_NO_PLURALS = """
    aids alias always ascites atlas bias biceps caries diabetes facies feces forceps herpes lens measles mumps pancreas
    perhaps pons rabies scabies series shingles species triceps whereas
"""
UNCHANGED = frozenset(_NO_PLURALS.split())
IRREGULAR = {
    "abuses": "abuse",
    "axes": "axis",
    "bacteria": "bacterium",
    "bronchi": "bronchus",
    "bulbi": "bulbus",
    "calories": "calorie",
    "criteria": "criterion",
    "emboli": "embolus",
    "feet": "foot",
    "fungi": "fungus",
    "glucoses": "glucose",
    "indices": "index",
    "men": "man",
    "metastases": "metastasis",
    "nuclei": "nucleus",
    "overdoses": "overdose",
    "purposes": "purpose",
    "septa": "septum",
    "shoes": "shoe",
    "spectra": "spectrum",
    "stimuli": "stimulus",
    "teeth": "tooth",
    "thrombi": "thrombus",
    "uses": "use",
    "varices": "varix",
    "vertebrae": "vertebra",
    "women": "woman",
}
# Ending, length of the shortest word, letters that are cut off, and their replacement; the first match counts.
ENDINGS = (
    ("aches", 6, 1, ""),
    ("ches", 5, 2, ""),
    ("shes", 5, 2, ""),
    ("sses", 5, 2, ""),
    ("xes", 5, 2, ""),
    ("auses", 6, 1, ""),
    ("rses", 6, 1, ""),
    ("uses", 7, 2, ""),
    ("oses", 8, 2, "is"),
    ("yses", 7, 2, "is"),
    ("ies", 5, 3, "y"),
    ("s", 4, 1, ""),
)


def written_form(text: str) -> str:
    """Return the lower-case words and numbers separated by single spaces; hyphens and apostrophes inside words stay."""
    return " ".join(re.findall(r"[^\W_]+(?:[-'’][^\W_]+)*", text.lower()))


def is_term(form: str) -> bool:
    """Return whether a written form can be a term: a few words, with at least one word of letters."""
    return 1 <= len(form.split()) <= LONGEST_TERM and re.search(r"[^\W\d_]{2}", form) is not None


def canonical(form: str, long_forms: Mapping[str, str]) -> str:
    """Return the wording that represents all spellings of a term.

    Hyphens become spaces, possessives and plurals their base form, an abbreviation its long form
    (`long_forms` of `abbreviations.long_forms`: canonical, and free of abbreviations).
    """
    words = re.findall(r"[^\W_]+", re.sub(r"['’]s\b", "", written_form(form)))
    return " ".join(_expanded(word, long_forms) for word in words)


def _expanded(word: str, long_forms: Mapping[str, str]) -> str:
    base = word if word in long_forms else singular(word)
    return long_forms.get(base, base)


def singular(word: str) -> str:
    """Return the base form of a lower-case English plural; any other word as it is."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if len(word) <= 3 or word in UNCHANGED or word.endswith(("ss", "us", "is")):
        return word
    for ending, shortest, cut, instead in ENDINGS:
        if word.endswith(ending) and len(word) >= shortest:
            base = word[:-cut] + instead
            return IRREGULAR.get(base, base)
    return word
