"""The mail address that NCBI asks for."""

import os

from clinragen.errors import UserError


def address_of_user(setting: str) -> str:
    """E-mail address for NCBI: the setting, else the environment variable ENTREZ_EMAIL; UserError if both are empty."""
    address = setting.strip() or os.environ.get("ENTREZ_EMAIL", "").strip()
    if "@" not in address:
        raise UserError(
            "NCBI requires your e-mail address: set knowledge.pubmed.email in config/local.yaml or the environment "
            "variable ENTREZ_EMAIL (knowledge.source: offline needs neither)"
        )
    return address
