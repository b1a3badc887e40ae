"""Every command of the documentation works as written, and none is there that nobody checks."""

import re
import subprocess
import sys
from pathlib import Path

import documented
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_tree
import yaml
from documented import Command, blocks, commands, parsed
from reader import make_repository
from runs import ROOT, copy_of_checkout, header_only
from snakemake.utils import update_config
from snakemake_server import Server

from clinragen.config.root import Config, load_config
from clinragen.schemas.evaluate import COMPARISON

SERVICES = {"OPENAI_API_KEY": "x", "ENTREZ_EMAIL": "me@example.org"}
# Commands of which only the syntax is checked, each with the reason.
SYNTAX_ONLY = {
    "source": "changes the reader's shell",
    "cd": "changes the reader's shell",
    "unzip": "needs a released archive; tests/unit/test_audit_release.py restores and verifies one",
    ".venv-validator/bin/rocrate-validator": "needs a released archive; tests/unit/test_audit_release.py runs it",
    "srun": "needs a cluster",
    "sbatch": "needs a cluster",
    "squeue": "needs a cluster",
    "scancel": "needs a cluster",
    "scontrol": "needs a cluster",
    "grep": "reads the output of a cluster's command",
    "nvidia-smi": "needs a GPU",
    "conda": "needs conda and the network",
    "pip": "needs the network",
    "git": "needs the network, or changes the checkout",
    "perl": "changes the checkout; tests/journeys/test_tinkerer.py runs it",
    "pre-commit": "changes the checkout; tests/workflow/test_house.py runs it",
    "tail": "needs a run in progress",
    "tmux": "needs a terminal",
    "tensorboard": "serves until it is ended; tests/e2e/test_train_tensorboard.py reads what it shows",
}
# Options that a dry run cannot take, with the number of their values.
NOT_IN_DRY_RUNS = {
    "--report": 1,
    "--sdm": 1,
    "--conda-prefix": 1,
    "--conda-create-envs-only": 0,
    "--unlock": 0,
    "--dry-run": 0,
    "-n": 0,
}
CLAIM = "id,value\nlabs-help,0.5\n"
# What Snakemake runs without --cores, --jobs or a profile.
WITHOUT_CORES = ("--report", "--unlock", "--dry-run", "-n", "--lint")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A copy of the checkout with everything that a real run needs, and Snakemake in it."""
    directory = copy_of_checkout(tmp_path_factory.mktemp("site") / "checkout")
    for dataset in ("mimic3", "mimic4"):
        header_only(directory.parent / dataset, dataset)
    local = {
        "datasets": {name: {"raw": f"{directory.parent}/{name}"} for name in ("mimic3", "mimic4")},
        "llm_transport": {"chatgpt": {"data_use": "no-retention-cloud", "allowed_hosts": ["api.openai.com"]}},
    }
    (directory / "config/local.yaml").write_text(yaml.safe_dump(local), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        for name, value in SERVICES.items():
            patch.setenv(name, value)
        finished_results()
        make_repository(directory)
        with Server(directory) as server:
            yield directory, server


def finished_results() -> None:
    """A results tree small enough to be written here, with the outputs that the pages name."""
    notes, terms = (
        Path("results/demo", name) for name in ("mimic3/rationale/template/notes.parquet", "knowledge/terms.parquet")
    )
    for path, table, rule, source in (
        (
            notes,
            {"stay_id": [100001], "request": ["abc"], "text": ["x"]},
            "rationale_notes",
            "resources/prompts/note_rationale.txt",
        ),
        (terms, {"term": ["lactate"]}, "knowledge_terms", "resources/prompts/terms.txt"),
    ):
        path.parent.mkdir(parents=True)
        pq.write_table(pa.table(table), path)
        tiny_tree.made(f"{path}", rule, [source])
    row = {"dataset": "MIMIC-III", "model": "ClinRaGen", "metric": "micro_f1", "ours_mean": "0.5"}
    names = COMPARISON.schema.names
    cells = f"{','.join(names)}\n{','.join(row.get(name, '') for name in names)}\n"
    for number in (1, 2):
        inputs = [f"{notes}", f"resources/paper_table{number}.csv"]
        path = f"results/demo/tables/table{number}.csv"
        tiny_tree.make(path, "evaluate_table", inputs, cells, sharing="shareable")
    tiny_tree.make("results/demo/tables/claims.csv", "evaluate_claims", ["resources/claims.yaml"], CLAIM)
    Path("results/paper").symlink_to("demo")


@pytest.mark.slow
@pytest.mark.parametrize("command", commands(), ids=lambda command: f"{command.page}: {' '.join(command.words)}")
def test_every_command_works_as_written(command, site):
    check(command, *site)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("snakemake --profile slurm --configfile config/local.yaml all", "all"),
        ("snakemake --configfile config/demo.yaml", "number of cores"),
        ("snakemake everything --cores 2 --configfile config/demo.yaml", "everything"),
        ("make nothing", "nothing"),
        ("make release TREES=demo", "TREES"),
        ("python scripts/trace.py results/demo --verfy", "verfy"),
        ("python scripts/nothing.py", "nothing.py"),
        ("frobnicate results/demo", "no check"),
    ],
)
def test_a_command_that_does_not_work_fails_the_check(line, problem, site):
    (command,) = parsed("README.md", line)
    with pytest.raises(AssertionError, match=problem):
        check(command, *site)


def test_every_block_is_of_a_kind_that_is_checked(tmp_path):
    for block in blocks():
        if block.language == "yaml":
            check_yaml(block)
        elif block.defines_function:
            compare_two_runs(block.body, tmp_path)
        elif block.language in documented.SHELL:
            is_valid_shell("\n".join(map(documented.filled, documented.lines_of(block.body))))
        else:
            drawing_or_output = block.language in ("mermaid", "text")
            assert drawing_or_output, f"{block.page}: no check for a block of {block.language}; add one"


def test_no_page_is_without_its_commands():
    pages = {command.page for command in commands()}
    assert {
        "README.md",
        "results/README.md",
        "docs/cluster.md",
        "docs/release.md",
        "docs/trace.md",
        "config/open-demo.yaml",
    } <= pages
    assert len(commands()) > 30


def check(command: Command, site: Path, server: Server) -> None:
    """AssertionError where a command does not work as written."""
    program, *arguments = command.words
    if program == "snakemake":
        check_snakemake(arguments, server)
    elif program == "make":
        check_make(arguments, site)
    elif program == "python":
        check_python(arguments, site)
    elif program == "pytest":
        missing = [name for name in arguments if not (ROOT / name).exists()]
        assert not missing, f"{command.page}: {missing} are missing"
    elif program == "cp":
        assert (ROOT / arguments[0]).is_file(), f"{command.page}: {arguments[0]} is missing"
    else:
        assert program in SYNTAX_ONLY, f"{command.page}: this test has no check for {command.line!r}; add one"


def check_snakemake(arguments: list[str], server: Server) -> None:
    """A dry run in the finished site; its cores, and the options that it cannot take, are looked at apart."""
    given = {option for option in arguments if option.startswith("-")}
    enough = given & {"--cores", "--jobs", "--profile", *WITHOUT_CORES}
    assert enough, "Snakemake asks for the number of cores: --cores or --profile is missing"
    plain: list[str] = []
    rest = iter(arguments)
    for word in rest:
        for _ in range(NOT_IN_DRY_RUNS.get(word, 0)):
            next(rest)
        if word not in NOT_IN_DRY_RUNS:
            plain.append(word)
    if plain != ["--lint"]:
        plain = ["--dry-run", "--nolock", *plain]
    server.snakemake(*plain)


def check_make(arguments: list[str], site: Path) -> None:
    """The target exists, each variable is one that the Makefile reads, and the recipe is valid shell."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for variable in (word.partition("=")[0] for word in arguments if "=" in word):
        assert re.search(rf"\$\({variable}\)|ifdef {variable}\b", makefile), f"the Makefile does not read {variable}"
    run = subprocess.run(["make", "--dry-run", *arguments], cwd=site, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    is_valid_shell(run.stdout)


def check_python(arguments: list[str], site: Path) -> None:
    """Code compiles, and a script runs on the small results tree of the site."""
    if arguments[0] == "-c":
        compile(arguments[1], "documentation", "exec")
        return
    run = subprocess.run([sys.executable, *arguments], cwd=site, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{run.stdout[-2000:]}\n{run.stderr[-2000:]}"


def check_yaml(block: documented.Block) -> None:
    """A valid overlay of config.yaml, or a part of a Snakemake profile."""
    given = yaml.safe_load(block.body)
    if given.keys() <= Config.model_fields.keys():
        settings = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
        update_config(settings, given)
        load_config(settings)
    else:
        profile = yaml.safe_load((ROOT / "slurm/config.yaml").read_text(encoding="utf-8"))
        assert given.keys() <= profile.keys(), f"{block.page}: {sorted(given.keys() - profile.keys())}"


def compare_two_runs(script: str, directory: Path) -> None:
    """The comparison of docs/reproducibility.md says that two trees are equal, and when they are not."""
    for run in ("one", "another"):
        for path in ("tables/table1.csv", "logs/a.log", ".records/table1.csv.json"):
            tiny_tree.write(f"{directory}/{run}/results/demo/{path}", "same" if path.startswith("tables") else run)
    assert "the same bytes" in bash(script, directory, status=0)
    tiny_tree.write(f"{directory}/one/results/demo/tables/table1.csv", "other")
    assert "the same bytes" not in bash(script, directory, status=1)


def is_valid_shell(script: str) -> None:
    """AssertionError where bash cannot parse a script."""
    run = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{script}\n{run.stderr}"


def bash(script: str, directory: Path, status: int) -> str:
    """Output of a script that must end with this exit status."""
    run = subprocess.run(["bash", "-c", script], cwd=directory, capture_output=True, text=True, check=False)
    assert run.returncode == status, f"{script}\n{run.stderr}"
    return run.stdout


@pytest.mark.parametrize("target", ["check", "estimate", "why"])
@pytest.mark.parametrize(("name", "remedy"), [("local", "cp config/local.example.yaml"), ("nothing", "OVERLAY can be")])
def test_make_says_which_overlays_exist(target, name, remedy, tmp_path):
    for part in ("Makefile", "config/demo.yaml"):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        (tmp_path / part).symlink_to(ROOT / part)
    command = ("make", "READY=", target, f"OVERLAY={name}")
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert shown.returncode != 0 and f"config/{name}.yaml is missing: {remedy}" in shown.stderr
