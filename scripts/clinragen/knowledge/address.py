"""The e-mail address that NCBI and Wikimedia ask for."""

import os

from clinragen.errors import UserError


def address_of_user(setting: str) -> str:
    """Return the operator's e-mail address: the setting, else the variable ENTREZ_EMAIL; UserError without one."""
    address = setting.strip() or os.environ.get("ENTREZ_EMAIL", "").strip()
    if "@" not in address:
        raise UserError(
            "knowledge.pubmed.email is not an e-mail address, which NCBI and Wikimedia require; set it in "
            "config/local.yaml, or the environment variable ENTREZ_EMAIL (knowledge.source: offline needs none)"
        )
    return address
