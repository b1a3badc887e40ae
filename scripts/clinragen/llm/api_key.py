"""The API key of a server, which is not written to any file."""

import os

from clinragen.errors import UserError
from clinragen.llm.guard import Destination, permit_key


def api_key(destination: Destination, variable: str | None, section: str = "llm_transport") -> str:
    """Return the key from its environment variable, or "" for a local server without one.

    UserError if a server that is not local has no key, or would receive it without encryption.
    """
    key = os.environ.get(variable, "").strip() if variable else ""
    if not variable and not destination.local:
        raise UserError(
            f"{section}.api_key_variable is not set; set it to the name of the environment variable that holds the "
            f"API key for {destination.host}"
        )
    if not key and not destination.local:
        raise UserError(
            f"the environment variable {variable} ({section}.api_key_variable) is empty; export it with the API key "
            f"for {destination.host}"
        )
    if key:
        permit_key(destination, section)
    return key
