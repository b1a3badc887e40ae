"""Diagnoses that a text claims, found by their wordings; tuned for precision rather than recall."""

import csv
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from clinragen.errors import UserError
from clinragen.registry.phenotypes import NO_DISEASE

LONGEST_CLAUSE = 400  # characters
_BREAKS = re.compile(
    rf"{NO_DISEASE}|[.;:!?](?:\s|$)|\b(?:but|however|although|though|yet|while|whereas|because|except)\b"
)
# Words before a diagnosis in the same clause that deny or doubt it; those of the past only up to the next comma.
_DENIAL = (
    r"no|not|nor|neither|never|without|den(?:y|ies|ied)|absen(?:ce|t)|negative for|free of|exclud\w+|"
    r"rul(?:e|ed|ing) out|rather than|instead of|against|unlikely|less \w+ of|possibl[ey]|probabl[ey]|suspected|"
    r"suspicion|concern|risk|prevent\w*|prophyla\w+|screen\w*|consider\w*|may|might|could"
)
_PAST = r"history|prior|previous(?:ly)?|past|family|father|mother|old|remote"
_BEFORE = re.compile(rf"\b(?:{_DENIAL})\b|\b(?:{_PAST})\b[^,]*$")
_AFTER = re.compile(
    r"^[\s,]*(?:(?:was|were|is|are|has|have|had|been|be|could|seems?|remain\w*|\w+ly)\s+)*"
    r"(?:not|never|ruled out|excluded|unlikely|absent|negative|considered|suspected|possible|prophylaxis|could|risk)\b"
)


@dataclass(frozen=True)
class Wordings:
    """The wordings of phenotypes."""

    phenotypes: dict[str, frozenset[str]]
    """Possible phenotypes by wording; empty for a wording that only resembles one."""

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self._by_words, key=len, reverse=True)
        alternatives = (r"[^a-z0-9]+".join(words.split()) for words in longest_first)
        return re.compile(rf"\b({'|'.join(alternatives)})(?:e?s)?(?![a-z0-9])")

    @cached_property
    def _by_words(self) -> dict[str, str]:
        return {_words(wording): wording for wording in self.phenotypes}

    def claimed(self, text: str, given: list[str]) -> list[str]:
        """Return the wordings of phenotypes that the text attributes to the patient and that match no given phenotype.

        Denied, doubted and past diagnoses are not claims. Of overlapping wordings the longest counts.
        """
        text = text.lower()
        # Masked, because names contain words of denial and breaks: "without complication", "(except in labor)".
        around = self._pattern.sub(lambda match: "_" * len(match[0]), text)
        claims: dict[str, None] = {}
        for match in self._pattern.finditer(text):
            wording = self._by_words[_words(match[1])]
            meant = self.phenotypes[wording]
            if meant and not meant & set(given) and _affirmed(around, *match.span()):
                claims[wording] = None
        return list(claims)

    def named(self, text: str) -> dict[str, frozenset[str]]:
        """Return the claimed diseases by one of their wordings, without those that a more exact wording covers."""
        claimed = {wording: self.phenotypes[wording] for wording in self.claimed(text, [])}
        first: dict[frozenset[str], str] = {}
        for wording, meant in claimed.items():
            if not any(other < meant for other in claimed.values()):
                first.setdefault(meant, wording)
        return {wording: meant for meant, wording in first.items()}


def read_wordings(path: Path) -> Wordings:
    """Return the wordings of resources/phenotype_wordings.csv; UserError if columns or rows are missing."""
    phenotypes: dict[str, set[str]] = defaultdict(set)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if not row.get("wording") or row.get("phenotype") is None:
                raise UserError(f"{path}: expected the columns wording and phenotype; restore it with git checkout")
            phenotypes[row["wording"]] |= {row["phenotype"]} - {""}
    if not phenotypes:
        raise UserError(f"{path}: has no rows; restore it with git checkout")
    return Wordings({wording: frozenset(names) for wording, names in phenotypes.items()})


def _affirmed(text: str, start: int, end: int) -> bool:
    before = _BREAKS.split(text[max(0, start - LONGEST_CLAUSE) : start])[-1]
    after = _BREAKS.split(text[end : end + LONGEST_CLAUSE])[0]
    return not _BEFORE.search(before) and not _AFTER.search(after)


def _words(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))
