"""A stand-in for a language model: answers composed by rules, so that the workflow runs without any model.

Its texts have the form of a rationale without clinical judgement: they name the diagnoses and quote words of the
note. Every output that uses it carries the label "template LLM".
"""

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate, pairwise

from clinragen.llm.request import Request
from clinragen.registry.phenotypes import NO_DISEASE

# Words of a note that are quoted if the prompt asks for a rationale of 100 words: few, so that the demo's small student
# learns to write them in seconds. The stand-in reads only this length in a prompt.
QUOTED_OF_100 = 6
LAB_WORDS = 40  # leaves room within 50 for the rest of the sentence
NORMAL = "normal all the time"
_COMMON = """
    a about after all also am among an and any are as at be because been before being below between both but by can
    could did do does during each either for from further had has have having he her here hers him his how however i
    if in into is it its itself just less like many may might more most much must no nor not of off often on once one
    only or other our out over own patient patients rather same she should since so some such than that the their
    them then there these they this those though through to too two under until up upon use used usually very was we
    well were what when where which while who whose why will with within without would year years you your
"""
STOP_WORDS = frozenset(_COMMON.split())


def compose(requests: list[Request]) -> list[str]:
    """Return one text per request.

    The quoted words of a note depend on their frequency in the notes in slot `corpus`, the same in all requests.
    """
    corpus = next((r.slots.get("corpus", ()) for r in requests if r.task == "note_rationale"), ())
    frequency = Counter(word for note in corpus for word in set(content_words(note)))

    def answer(request: Request) -> str:
        slots = request.slots
        match request.task:
            case "note_rationale":
                return note_rationale(slots["note"], slots["diagnoses"], frequency, words_to_quote(request.prompt))
            case "lab_rationale":
                return lab_rationale(slots["captions"], slots["diagnoses"])
            case "terms":
                return json.dumps(terms(slots["document"], slots["max_terms"]))
            case "diagnosis":
                return "\n".join(named(**slots)) or NO_DISEASE
            case "diagnosis_rationale":
                return diagnosis_rationale(slots["note"], named(**slots), frequency)
            case "judge":
                return json.dumps(judged(**slots))

    return [answer(request) for request in requests]


def words_to_quote(prompt: str) -> int:
    """Return the number of quoted words for the last "<n>-word" in the prompt, by default for 100 words."""
    lengths = re.findall(r"\b(\d{1,3})-word\b", prompt)
    return round(QUOTED_OF_100 * int(lengths[-1]) / 100) if lengths else QUOTED_OF_100


def note_rationale(note: str, diagnoses: list[str], frequency: Counter[str], most: int = QUOTED_OF_100) -> str:
    """Return a note rationale that names the diagnoses and quotes the note's `most` rarest words in their order."""
    if diagnoses:
        opening = f"Based on the medical notes, the patient was diagnosed with {listed(diagnoses)}."
        frame = "The notes support this by mentioning {}."
    else:
        opening = "Based on the medical notes, no disease was diagnosed."
        frame = "The notes mention {}, which points to none of the conditions considered."
    quoted = salient(note, frequency, most)
    return f"{opening} {frame.format(listed(quoted))}" if quoted else opening


def diagnosis_rationale(note: str, diagnoses: list[str], frequency: Counter[str]) -> str:
    """Return a line with the diagnoses, and one with a note rationale of them."""
    # Semicolons separate the names, so those within a name are replaced.
    names = "; ".join(d.replace(";", ",") for d in diagnoses) or NO_DISEASE
    return f"Diagnoses: {names}\nNote rationale: {note_rationale(note, diagnoses, frequency)}"


def named(note: str, captions: str, phenotypes: list[str]) -> list[str]:
    """Return the phenotypes whose name has a word that occurs in the note or the captions and in no other name."""
    words = {name: set(content_words(name)) for name in phenotypes}
    shared = Counter(word for words_of_name in words.values() for word in words_of_name)
    mentioned = set(content_words(f"{note} {captions}"))
    return [name for name in phenotypes if any(shared[word] == 1 for word in words[name] & mentioned)]


def judged(
    case: str, note: str, captions: str, diagnoses: list[str], note_rationale: str, lab_rationale: str
) -> dict[str, object]:
    """Return ratings from shares of words, 1 (none) to 5 (all), which depend on every input without judging it.

    Correctness: words of the diagnoses in the rationale. Readability: parts that begin with a capital letter and end
    with a full stop. Soundness: words of the rationale in note, captions or diagnoses. Consistency: words of the lab
    part in the captions, none if a part is missing. Persuasiveness: the mean of these.
    """
    parts = [part for part in (note_rationale, lab_rationale) if part]
    written, shown = (" ".join(texts) for texts in (parts, (note, captions, *diagnoses)))
    shares = {
        "correctness": _share(" ".join(diagnoses) or NO_DISEASE, written),
        "readability": sum(part[0].isupper() and part.endswith(".") for part in parts) / 2,
        "soundness": _share(written, shown),
        "consistency": _share(lab_rationale, captions) if len(parts) == 2 else 0.0,
    }
    shares["persuasiveness"] = sum(shares.values()) / len(shares)
    reason = "A stand-in without judgement: it has counted words."
    return {"case": case, "reason": reason} | {name: 1 + round(4 * share) for name, share in shares.items()}


def _share(text: str, other: str) -> float:
    """Return the share of the content words of a text that the other text contains; 0 for a text without any."""
    words = set(content_words(text))
    return len(words & set(content_words(other))) / len(words) if words else 0.0


def lab_rationale(captions: str, diagnoses: list[str]) -> str:
    """Return one sentence of at most 50 words about the captions that report abnormal values."""
    abnormal = [c for c in sentences(captions) if NORMAL not in c]
    finding = listed(fitting(abnormal, LAB_WORDS)) if abnormal else "all measured values were normal"
    return f"Lab test shows that {finding}" + ("." if diagnoses else ", while no disease was diagnosed.")


def terms(document: str, most: int) -> list[str]:
    """Return the most frequent content words and word pairs of a document, by frequency, then in their order."""
    counts: Counter[str] = Counter()
    for sentence in re.split(r"[.;:!?()\n,]", document.lower()):
        words = re.findall(r"[a-z][a-z-]+", sentence)
        counts.update(w for w in words if _has_content(w))
        counts.update(f"{a} {b}" for a, b in pairwise(words) if _has_content(a) and _has_content(b))
    return [term for term, _ in counts.most_common(most)]


def salient(note: str, frequency: Counter[str], most: int) -> list[str]:
    """Return the words of a note that the fewest notes share, in the note's order.

    Words of a single note are chosen last, because they are more often names or typing errors than findings.
    """
    words = list(dict.fromkeys(content_words(note)))
    rank = sorted(range(len(words)), key=lambda i: (frequency[words[i]] < 2, frequency[words[i]], i))
    return [words[i] for i in sorted(rank[:most])]


def content_words(text: str) -> list[str]:
    """Return the words of at least four letters in lower case, in their order, without stop words."""
    return [w for w in re.findall(r"[a-z]{4,}", text.lower()) if w not in STOP_WORDS]


def sentences(captions: str) -> list[str]:
    """Return the sentences of the captions, without their full stops."""
    return [s.strip().rstrip(".") for s in re.split(r"\.(?:\s+|$)|\n", captions) if s.strip(" .")]


def listed(items: Iterable[str]) -> str:
    """Return `a`, `a and b`, or `a, b and c`."""
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


def fitting(items: list[str], words: int) -> list[str]:
    """Return the longest prefix of the items with at most this number of words, one "and" per item included."""
    total = list(accumulate(len(item.split()) + 1 for item in items))
    return items[: bisect_right(total, words)]


def _has_content(word: str) -> bool:
    return len(word) >= 4 and word not in STOP_WORDS
