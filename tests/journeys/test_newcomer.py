"""A newcomer clones the repository, types the two commands of the README, and opens what the first one names."""

import re

import pytest
from browser import CHROMIUM, Browser
from reader import DEMO, Reader, published
from runs import SMALL, overlay, path_with

pytestmark = pytest.mark.slow

# The shortest way through the whole workflow: one dataset, one student.
OTHERS = ("without-lab-know", "without-know", "without-reasoning", "flan-t5", "clinical-cot-tse")
SHORT = SMALL | {"datasets": {"mimic4": None}, "models": dict.fromkeys(OTHERS)}


def test_a_newcomer_sees_results_after_two_commands(fork_python, tmp_path):
    newcomer = Reader(tmp_path, {"PATH": path_with(fork_python.parent)}, f"{DEMO} small.yaml")
    newcomer.does(f"git clone --quiet {published(tmp_path / 'published')} clinragen")
    newcomer.directory = checkout = tmp_path / "clinragen"
    overlay(checkout / "small.yaml", "results/demo", **SHORT)

    end = newcomer.types("make demo", "README.md").splitlines()[-2:]
    page = re.findall(r"results/demo/index\.html", "\n".join(end))[0]
    # "a second `make demo` does nothing"
    again = newcomer.types("make demo", "README.md")
    assert "Nothing to be done" in again and again.splitlines()[-1] == end[-1]
    # The tests of the tests are not run here: one module stands for all, to see that they find what they need.
    assert "passed" in newcomer.types(
        "make test", "README.md", also="-o lint pytest='pytest -q tests/unit/test_schemas.py'"
    )

    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with Browser(tmp_path / "profile") as browser:
        browser.open(checkout / page)
        # As in the markup: the style shows some words in other letters.
        text = browser.run("document.body.textContent")
        assert [w for w in ("No patient exists", "Made with stand-ins", "One case") if w not in text] == []
        browser.click("document.querySelector('a[href=\"tables/claims.html\"]')")
        browser.wait(lambda: "claims of the paper" in browser.run("document.querySelector('h1').innerText"))
