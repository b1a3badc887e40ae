"""Parts of a case in Figure 7: text with marks, and the series as curves."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clinragen.evaluate.texts.lab_claims import LabWordings, Statements

LONGEST_NOTE = 2500
WIDTH, HEIGHT, EDGE = 220.0, 60.0, 4.0  # of a curve, in units of its drawing
TERM, ABNORMAL, CONTRADICTED, DISEASE = "term", "abnormal", "contradicted", "disease"
Piece = tuple[str, str]
"""A piece of text and its kind; the kind is empty for unmarked text."""


@dataclass(frozen=True)
class Curve:
    """One variable of a stay: points of an SVG polyline, heights of its fences, and the range of its values."""

    variable: str
    points: list[tuple[float, float]]
    beyond: list[tuple[float, float]]
    low: float | None
    high: float | None
    least: float
    most: float


def marked(text: str, marks: dict[str, str]) -> list[Piece]:
    """Divide a text into pieces; `marks` has the kind of each phrase, found as whole words in any case.

    If phrases overlap, the first one counts, and among those that start there the longest.

    >>> marked("Low pH.", {"ph": "term"})
    [('Low ', ''), ('pH', 'term'), ('.', '')]
    """
    kinds = {_words(phrase): kind for phrase, kind in marks.items() if _words(phrase)}
    if not kinds:
        return [(text, "")] if text else []
    longest = sorted(kinds, key=len, reverse=True)
    alternatives = "|".join(r"\W+".join(map(re.escape, phrase.split())) for phrase in longest)
    pieces, end = [], 0
    for match in re.finditer(rf"(?<!\w)(?:{alternatives})(?!\w)", text, re.IGNORECASE):
        pieces += [(text[end : match.start()], ""), (match[0], kinds.get(_words(match[0]), ""))]
        end = match.end()
    return [piece for piece in [*pieces, (text[end:], "")] if piece[0]]


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def lab_marks(text: str, captions: Statements, wordings: LabWordings) -> dict[str, str]:
    """Return marks for the variables that a text calls higher or lower, by whether the captions agree."""
    marks: dict[str, str] = {}
    for claim in sorted(wordings.claims(text), key=lambda claim: not claim.holds(captions)):
        kind = ABNORMAL if claim.holds(captions) else CONTRADICTED
        marks |= dict.fromkeys(wordings.words_for(claim), kind)
    return marks


def left_out(text: str, captions: Statements, wordings: LabWordings) -> list[str]:
    """Return the abnormal labs of the captions that a text does not claim, each with its direction."""
    claims = wordings.claims(text)
    return [" ".join(each) for each in sorted(captions) if not any(claim.holds({each}) for claim in claims)]


def shortened(text: str, longest: int = LONGEST_NOTE) -> str:
    """Return the beginning of a text, cut at a space."""
    return text if len(text) <= longest else text[:longest].rsplit(" ", 1)[0] + " …"


def curves(
    values: np.ndarray, measured: np.ndarray, variables: list[str], fences: dict[str, tuple[float, float]]
) -> list[Curve]:
    """Return a curve of each measured variable; `values` [steps, variables] are in their units, `measured` alike.

    Only measured bins are drawn. Infinite fences are left out.
    """
    drawn = []
    for column, variable in enumerate(variables):
        steps = np.flatnonzero(measured[:, column])
        if not steps.size:
            continue
        drawn_values = values[steps, column].astype(float)
        low, high = fences.get(variable, (-np.inf, np.inf))
        least, most = float(drawn_values.min()), float(drawn_values.max())
        inside = [fence for fence in (low, high) if np.isfinite(fence)]
        bottom, top = min([least, *inside]), max([most, *inside])
        scale = _height(bottom, top)
        width = max(values.shape[0] - 1, 1)
        points = [
            (round(EDGE + (WIDTH - 2 * EDGE) * step / width, 1), scale(value))
            for step, value in zip(steps.tolist(), drawn_values.tolist(), strict=True)
        ]
        beyond = [p for p, value in zip(points, drawn_values.tolist(), strict=True) if value > high or value <= low]
        lines = [scale(fence) if np.isfinite(fence) else None for fence in (low, high)]
        drawn.append(Curve(variable, points, beyond, lines[0], lines[1], least, most))
    return drawn


def _height(bottom: float, top: float) -> Callable[[float], float]:
    """Return the function from values to heights; equal values are drawn in the middle."""
    span = top - bottom
    return lambda value: round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * ((value - bottom) / span if span else 0.5), 1)


def path(points: list[tuple[float, float]]) -> str:
    """Return the points of an SVG polyline; a single point becomes a line of length 0."""
    return " ".join(f"{x:g},{y:g}" for x, y in (points * 2 if len(points) == 1 else points))
