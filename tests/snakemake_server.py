"""Many dry runs of Snakemake from one process that has imported it: each runs in a separate fork.

A fork starts from the state right after the imports, so every dry run reads Snakefile, configuration, changed code and
metadata again, as a new process would; the imports and the parsing of code are saved.
"""

import json
import os
import subprocess
import sys
from pathlib import Path


class Server:
    """Snakemake in a directory, as a context."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __enter__(self) -> "Server":
        self._process = subprocess.Popen(
            [sys.executable, __file__], cwd=self.directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.stdin.close()
        self._process.wait()

    def snakemake(self, *arguments: str | Path) -> str:
        """Return the output of Snakemake, standard error included; AssertionError if it fails.

        The workflow does not know the command line, so it does not check what a run needs.
        """
        status, output = self._send([__file__, *map(str, arguments)], None)
        assert status == 0, output[-6000:]
        return output

    def run(self, arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run `snakemake` as a user would, with all checks, in this environment."""
        command = ["snakemake", *arguments]
        return subprocess.CompletedProcess(command, *self._send(command, environment))

    def _send(self, command: list[str], environment: dict[str, str] | None) -> tuple[int, str]:
        self._process.stdin.write(json.dumps([command, environment]) + "\n")
        self._process.stdin.flush()
        status, output = json.loads(self._process.stdout.readline())
        return status, output


def serve() -> None:
    """Serve requests, one command with its environment per line, until the input ends."""
    import snakemake.cli

    snakemake.cli.get_argument_parser()  # finds and imports the plugins
    # Parsed code is cached by the time and size of its file, so changed files are parsed again.
    sys.path.insert(0, str(Path("scripts").resolve()))
    from clinragen.provenance.digest import code_digest

    for script in Path("scripts").glob("*.py"):
        code_digest(script.stem)
    for line in sys.stdin:
        command, environment = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            os._exit(_run(command, environment))
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as pipe:
            output = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([status, output]), flush=True)


def _run(command: list[str], environment: dict[str, str] | None) -> int:
    """Run one command and return its exit status; exceptions are printed as by the interpreter."""
    import traceback

    import snakemake.cli

    sys.argv = command
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
    try:
        snakemake.cli.main(command[1:])
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    serve()
