"""A scripted teacher: answers to every prompt of the workflow that pass the checks."""

import json
import re

ZERO_SHOT = "asked/chatgpt-zero-shot"


def answer(prompt: str) -> tuple[str, str]:
    """Return the stage that asks, and an answer that passes its checks."""
    if "Document:" in prompt:
        document = prompt.partition("Document:\n")[2].partition("\n\nCopy each")[0]
        terms = re.findall(r"\b[A-Za-z]{6,}\b", document) or re.findall(r"\b[A-Za-z]{3,}\b", document)
        return "terms", json.dumps({"terms": terms[:20]})
    if "Judge the rationale by five criteria" in prompt:
        case = re.search(r"^Case: (.*)$", prompt, re.MULTILINE)[1]
        ratings = dict.fromkeys(("correctness", "readability", "soundness", "consistency", "persuasiveness"), 3)
        return "judge", json.dumps({"case": case, "reason": "It could be right. It could be wrong."} | ratings)
    if prompt.rstrip().endswith("\nDiagnoses:"):
        return ZERO_SHOT, "no disease was diagnosed"
    diagnoses = re.findall(r"^Diagnosed diseases: (.*)$", prompt, re.MULTILINE)[-1]
    if prompt.rstrip().endswith("Lab test-based rationale:"):
        return "lab_rationale", "Lab test shows values that agree with the condition that was diagnosed in this stay"
    frame = "Based on the medical notes, the clinicians of this stay wrote down findings and treatments that support"
    return "note_rationale", f"{frame} the following statement about this patient: {diagnoses}."
