"""The e-mail address that NCBI requires."""

import os

from clinragen.errors import UserError


def address_of_user(setting: str) -> str:
    """E-mail address for NCBI: the setting, else the environment variable ENTREZ_EMAIL; UserError without."""
    address = setting.strip() or os.environ.get("ENTREZ_EMAIL", "").strip()
    if "@" not in address:
        raise UserError(
            "knowledge.pubmed.email is not an e-mail address, which NCBI requires; set it in config/local.yaml, or the "
            "environment variable ENTREZ_EMAIL (knowledge.source: offline needs none)"
        )
    return address
