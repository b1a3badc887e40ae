"""The key of the teacher's server; it never enters a file."""

import os

from clinragen.config.teacher import Transport
from clinragen.errors import UserError
from clinragen.llm.guard import host_of, is_local


def api_key(transport: Transport) -> str:
    """The key from its environment variable, empty for a local server without one; UserError where it is needed."""
    host = host_of(transport.base_url)
    key = os.environ.get(transport.api_key_variable, "").strip()
    if not key and not is_local(host):
        raise UserError(
            f"the environment variable {transport.api_key_variable} (teacher_transport.api_key_variable) is empty; "
            f"set it to the key for {host}"
        )
    return key
