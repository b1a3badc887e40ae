"""The API key of a language model's server; it is never written to a file."""

import os

from clinragen.config.llms import Transport
from clinragen.errors import UserError
from clinragen.llm.guard import host_of, is_local


def api_key(transport: Transport) -> str:
    """The key from its environment variable; a local server may go without, for others UserError if it is empty."""
    host = host_of(transport.base_url)
    key = os.environ.get(transport.api_key_variable, "").strip()
    if not key and not is_local(host):
        raise UserError(
            f"the environment variable {transport.api_key_variable} (api_key_variable in llm_transport) is empty; "
            f"export it with the API key for {host}"
        )
    return key
