"""What would stop the teacher, told before a job starts."""

from collections.abc import Callable
from functools import partial

from clinragen.config.teacher import Teacher, Transport
from clinragen.errors import UserError
from clinragen.llm.api_key import api_key
from clinragen.llm.guard import permit


def problems(teacher: Teacher, transport: Transport, texts: dict[str, str]) -> list[str]:
    """Everything that would stop requests on these texts, each by name with its source (`guard.permit`)."""
    if teacher.provider == "template" or not texts:
        return []
    checks: list[Callable[[], object]] = [
        partial(permit, transport.base_url, transport.data_use, data, source) for data, source in texts.items()
    ]
    found: dict[str, None] = {}  # an address that can not be read would be told once per text
    for check in [*checks, partial(api_key, transport)]:
        try:
            check()
        except UserError as error:
            found[str(error)] = None
    return list(found)
