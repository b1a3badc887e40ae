"""The mail address that NCBI asks for."""

import os

from clinragen.errors import UserError


def address_of_user(setting: str) -> str:
    """Mail address for NCBI: the setting, else the environment variable ENTREZ_EMAIL; UserError without."""
    address = setting.strip() or os.environ.get("ENTREZ_EMAIL", "").strip()
    if "@" not in address:
        raise UserError(
            "NCBI asks for an address of the user: set knowledge.pubmed.email in config.yaml or the environment "
            "variable ENTREZ_EMAIL (knowledge.source: offline works without)"
        )
    return address
