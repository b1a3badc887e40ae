"""Marked-up text as plain words, so that HbA1c, SpO2 and PaO2 are found however they were typeset."""

import re
from xml.etree.ElementTree import Element

SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓₕₖₗₘₙₚₛₜ", "0123456789+-=()aeoxhklmnpst")
MATHML = "{http://www.w3.org/1998/Math/MathML}"
# In older records the tags themselves were escaped.
ESCAPED_TAG = re.compile(r"</?(?:i|b|u|em|strong|sub|sup)>")


def plain(text: str) -> str:
    """Return one line of words: subscript digits are ordinary ones, escaped tags and repeated blanks are gone."""
    return " ".join(ESCAPED_TAG.sub("", text).translate(SUBSCRIPTS).split())


def text_of(element: Element | None) -> str:
    """Return the words of an XML element without its markup; a power keeps its sign: 10<sup>9</sup> is 10^9."""
    return plain(_words(element)) if element is not None else ""


def _words(element: Element) -> str:
    # Blanks between MathML elements are layout, not text.
    formula = element.tag.startswith(MATHML)
    parts = [(element.text or "").strip() if formula else element.text or ""]
    for child in element:
        words = _words(child)
        if child.tag == "sup" and words[:1].isdigit() and "".join(parts)[-1:].isdigit():
            words = f"^{words}"
        tail = child.tail or ""
        parts += [words, tail.strip() if formula else tail]
    return "".join(parts)
