"""Coverage of V^k by phenotype, and its overlap between phenotypes."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from clinragen.knowledge.pieces import Pieces
from clinragen.knowledge.ranking import jaccard
from clinragen.knowledge.vocabulary import Origin
from clinragen.schemas.knowledge import COVERAGE

ALL = "all"
Row = dict[str, Any]


def coverage(terms: list[Row], found: Mapping[int, Origin], kinds: Pieces, without: frozenset[int]) -> pa.Table:
    """Return coverage and overlap of V^k (COVERAGE): a row per phenotype and one of all.

    `found` are the tokens of the key terms (rows of TERMS), `without` those that the settings leave out of V^k.
    """
    phenotypes = list(dict.fromkeys(term["phenotype"] for term in terms))
    printed = {p: {i for i, origin in found.items() if p in origin.phenotypes} for p in phenotypes}
    kept = {p: ids - without for p, ids in printed.items()}
    rows = []
    for phenotype in phenotypes:
        others = {other: round(jaccard(kept[phenotype], kept[other]), 4) for other in phenotypes if other != phenotype}
        nearest = max(others, key=lambda other: others[other], default=None)
        rows.append(
            {
                "phenotype": phenotype,
                "terms": sum(term["phenotype"] == phenotype for term in terms),
                "only": sum(found[i].phenotypes == {phenotype} for i in kept[phenotype]),
                "jaccard_mean": _mean(others.values()),
                "jaccard_max": others.get(nearest),
                "nearest": nearest,
            }
            | _sizes(printed[phenotype], set(found) - without, kinds, without)
        )
    total = {
        "phenotype": ALL,
        "terms": len({term["term"] for term in terms}),
        "only": sum(row["only"] for row in rows),
        "jaccard_mean": _mean(row["jaccard_mean"] for row in rows if row["jaccard_mean"] is not None),
        "jaccard_max": max((row["jaccard_max"] for row in rows if row["jaccard_max"] is not None), default=None),
        "nearest": None,
    }
    rows.append(total | _sizes(set(found), set(found) - without, kinds, without))
    return pa.Table.from_pylist(rows, schema=COVERAGE.schema)


def _sizes(printed: set[int], whole: set[int], kinds: Pieces, without: frozenset[int]) -> Row:
    kept = printed - without
    return {
        "tokens": len(kept),
        "share": round(len(kept) / len(whole), 4) if whole else 0.0,
        "as_printed": len(printed),
        "stop_word_pieces": len(printed & kinds.stop_words),
        "one_letter_pieces": len(printed & kinds.one_letter),
        "without_both": len(printed - kinds.stop_words - kinds.one_letter),
    }


def _mean(values: Iterable[float]) -> float | None:
    values = list(values)
    return round(sum(values) / len(values), 4) if values else None
