"""Read the diagnoses in a rationale."""

from clinragen.rationale.claims import Wordings
from clinragen.registry.phenotypes import NO_DISEASE


def read_diagnoses(text: str, wordings: Wordings) -> tuple[set[str], bool]:
    """Return the phenotypes that a text says the patient has, and whether it says that there is no disease."""
    claimed = {name for wording in wordings.claimed(text, []) for name in wordings.phenotypes[wording]}
    return claimed, NO_DISEASE in " ".join(text.lower().split())
