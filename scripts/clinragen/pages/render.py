"""Render a page from its templates and facts."""

import base64
from functools import partial
from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined, TemplateError, TemplateSyntaxError

from clinragen.errors import UserError


def render(page: str, templates: list[Path], **facts: object) -> str:
    """Return the HTML of `<page>.html` with these facts; only the listed template files are read.

    Text is escaped, PNG and SVG bytes become data URIs (`| png`, `| svg`), and the same facts give the same bytes.
    Raises UserError for a template that is missing from the list, cannot be parsed, or uses a fact that is not given.
    """
    environment = Environment(
        loader=DictLoader({path.name: path.read_text(encoding="utf-8") for path in templates}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["png"] = partial(_data_uri, "image/png")
    environment.filters["svg"] = partial(_data_uri, "image/svg+xml")
    try:
        return environment.get_template(f"{page}.html").render(facts)
    except TemplateError as error:
        line = f"{error.name}:{error.lineno}: " if isinstance(error, TemplateSyntaxError) else ""
        raise UserError(f"cannot render page {page!r}: {line}{type(error).__name__}: {error}") from error


def _data_uri(kind: str, picture: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(picture).decode()}"
