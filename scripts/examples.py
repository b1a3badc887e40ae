"""Check a file of worked examples for the teacher's prompts: `python scripts/examples.py FILE`.

It is not a step of the workflow, and changes nothing. The workflow makes the same checks when it starts.
"""

import argparse
from pathlib import Path

from clinragen.rationale.examples import problems_of_examples


def main() -> None:
    """Print a line per problem; exit status 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="a file such as resources/prompts/examples.yaml")
    path = parser.parse_args().file
    problems = problems_of_examples(path, Path(__file__).resolve().parents[1] / "resources")
    print("\n".join(problems) or f"{path}: the examples can be used; set rationale.examples to this file")
    raise SystemExit(bool(problems))


if __name__ == "__main__":
    main()
