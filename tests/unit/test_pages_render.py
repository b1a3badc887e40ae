"""Rendering: text is escaped, nothing is guessed, and mistakes in a template are reported."""

import re

import pytest
from pages import TEMPLATES, templates

from clinragen.errors import UserError
from clinragen.pages.render import render


def write(directory, text: str):
    path = directory / "page.html"
    path.write_text(text, encoding="utf-8")
    return [path]


def test_text_is_escaped_and_pictures_are_data(tmp_path):
    files = write(tmp_path, '{{ text }}<img src="{{ png | png }}">\n')
    assert render("page", files, text="<b>&", png=b"PNG") == ('&lt;b&gt;&amp;<img src="data:image/png;base64,UE5H">\n')


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("{{ mising }}", "UndefinedError: 'mising' is undefined"),
        ("{{ facts.mising }}", "UndefinedError: .*has no attribute 'mising'"),
        ("a\n{% if %}", r"page\.html:2: TemplateSyntaxError: Expected an expression"),
        ('{% include "style.css" %}', "TemplateNotFound: .?style.css"),
    ],
)
def test_mistakes_in_a_template_are_errors_for_the_user(tmp_path, text, reported):
    with pytest.raises(UserError, match=f"cannot render page 'page': {reported}"):
        render("page", write(tmp_path, text), facts={})


def test_missing_rows_that_are_made_in_the_same_way_are_named_together(tmp_path):
    macros = TEMPLATES / "macros.html"
    files = [macros, *write(tmp_path, '{% import "macros.html" as m %}{{ m.missing(rows) }}')]
    text = render("page", files, rows={"A": "run `one`", "B": "run `two`", "C": "run `one`"})
    assert re.findall("<dt>(.*?)</dt>", text) == ["A; C", "B"]


@pytest.mark.parametrize("page", [p.stem for p in TEMPLATES.glob("*.html") if p.stem not in ("base", "macros")])
def test_every_page_has_language_viewport_and_the_one_stylesheet(page):
    base, style, macros, own = (path.read_text(encoding="utf-8") for path in templates(page))
    assert '<html lang="en">' in base and 'name="viewport"' in base and '{% include "style.css" %}' in base
    # A page that is a program may have a stylesheet with its name.
    own = own.replace(f'<style>\n{{% include "{page}.css" %}}\n</style>\n', "")
    assert re.match(r'\{% extends "(base|scores)\.html" %\}', own) and "<style" not in own + macros
    for scheme in ("prefers-color-scheme: dark", "@media print", "max-width: 40rem"):
        assert scheme in style


def test_templates_and_stylesheets_have_the_same_classes():
    styles = [p.read_text(encoding="utf-8") for p in sorted(TEMPLATES.glob("*.css"))]
    parts = [p for p in TEMPLATES.iterdir() if p.suffix in (".html", ".js")]
    markup = "".join(p.read_text(encoding="utf-8") for p in parts)
    named = re.findall(r'(?:class|kind|className: )[=]?"([a-z -]+)"', markup)
    passed = re.findall(r'\bdiagnoses\([^()]*, "([a-z]+)"\)', markup)  # a macro takes a class for each list
    plain = {"file", "all", "right"}  # for scripts, and in the colour of the text
    used = {name for names in [*named, *passed] for name in names.split()} - plain
    styled = {name for style in styles for name in re.findall(r"\.([a-z-]+)\b(?=[^;}]*\{)", style)} - plain
    assert used == styled
