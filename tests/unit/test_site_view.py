"""`make view`: a results tree on the loopback address, for who knows the address."""

import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from step_script import SCRIPTS


@pytest.fixture
def view(tmp_path):
    """Start scripts/view.py on a tree, in a process that the end of the test stops."""
    started = []

    def start(*arguments: object, opener: str = "") -> tuple[subprocess.Popen, str, str]:
        """Return the process, the address that it prints, and all lines up to the one that it waits after."""
        lost = {"DISPLAY", "WAYLAND_DISPLAY"}
        environment = {name: value for name, value in os.environ.items() if name not in lost}
        environment |= {"DISPLAY": ":1", "BROWSER": opener} if opener else {}
        process = subprocess.Popen(
            [sys.executable, SCRIPTS / "view.py", *map(str, arguments)],
            cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        started.append(process)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "ssh -N" in line or ("Ctrl-C" in line and opener):
                break
        text = "".join(lines)
        address = re.search(r"http://127\.0\.0\.1:\d+/\S+/index\.html", text)
        return process, address[0] if address else "", text

    (tmp_path / "results/demo/tables").mkdir(parents=True)
    (tmp_path / "results/demo/index.html").write_text("<title>front</title>", encoding="utf-8")
    (tmp_path / "results/demo/tables/table1.csv").write_text("a,b\n", encoding="utf-8")
    (tmp_path / "outside.txt").write_text("outside", encoding="utf-8")
    yield start
    for process in started:
        process.terminate()
        process.wait()


def get(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_pages_are_served_to_who_has_the_address_and_to_nobody_else(view):
    port = free_port()
    _, address, text = view("results/demo", "--port", port)
    assert get(address) == (200, "<title>front</title>")
    assert get(address.replace("index.html", "tables/table1.csv")) == (200, "a,b\n")
    key = address.split("/")[3]
    for path in (
        "",
        "index.html",
        f"{key}x/index.html",
        f"{key}/tables/",
        f"{key}/../../outside.txt",
        f"{key}/none.html",
    ):
        assert get(f"http://127.0.0.1:{port}/{path}")[0] == 404, path
    assert f"-L {port}:127.0.0.1:{port} " in text


def test_a_port_that_is_taken_leads_to_the_next_free_one(view):
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        _, address, _ = view("results/demo", "--port", port)
        assert int(address.split(":")[2].split("/")[0]) > port
        assert get(address)[0] == 200


def test_a_browser_opens_if_there_is_a_screen(view, tmp_path):
    opener = tmp_path / "opener"
    opener.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n', encoding="utf-8")
    opener.chmod(0o755)
    process, address, _ = view("results/demo", "--port", free_port(), opener=f"{opener} %s")
    assert get(address)[0] == 200
    process.send_signal(2)
    assert "ssh -N" not in process.communicate(timeout=20)[0]
    assert (tmp_path / "opened").read_text(encoding="utf-8").strip() == address


def test_it_ends_with_ctrl_c(view):
    process, address, _ = view("results/demo", "--port", free_port())
    assert address
    process.send_signal(2)
    assert process.wait(20) == 0 and "Traceback" not in process.stdout.read()


@pytest.mark.parametrize(("tree", "maker"), [("demo", "`make demo`"), ("paper", "`snakemake site` with the options")])
def test_without_a_front_page_the_command_that_makes_it_is_named(view, tree, maker, tmp_path):
    (tmp_path / "results/demo/index.html").unlink()
    process, address, text = view(f"results/{tree}")
    assert process.wait(20) == 2 and not address
    assert f"results/{tree}/index.html is missing; {maker}" in text
