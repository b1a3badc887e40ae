"""The single checks of `make check`: what each calls a problem."""

import errno
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pytest_httpserver import HTTPServer
from snakemake.utils import update_config
from werkzeug import Response

from clinragen.config.root import Config, load_config
from clinragen.llm.guard import Destination, host_of
from clinragen.workflow import machine, services
from clinragen.workflow.check import partition_lines, summary
from clinragen.workflow.needs import BACKBONE, ENCODER, Need
from clinragen.workflow.preflight import llm_problems
from clinragen.workflow.slurm import Request, Resources, kinds, partition_problem, partitions, sbatch_test
from clinragen.workflow.verdict import Line, ok, problem
from clinragen.workflow.web import Unreachable, get

ROOT = Path(__file__).parents[2]


def config_of(**overlay: object) -> Config:
    merged = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(merged, overlay)
    return load_config(merged)


def request(rule: str = "train_phase1", local: bool = False, threads: int = 1, **resources: object) -> Request:
    return Request(rule, local, threads, Resources(resources))


# --- Servers ---


def asked(httpserver: HTTPServer, response: Response, monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setenv("TEST_KEY", "sk-secret")
    httpserver.expect_request("/v1/models").respond_with_response(response)
    transport = {"base_url": httpserver.url_for("/v1"), "api_key_variable": "TEST_KEY"}
    line = services.ping("chatgpt", config_of(llms={"chatgpt": {"model": "m"}}, llm_transport={"chatgpt": transport}))
    assert "sk-secret" not in str(line)
    return line


@pytest.mark.parametrize(
    ("status", "body", "expected", "words"),
    [
        (200, '{"data": [{"id": "m"}]}', "ok", "lists m"),
        (200, '{"data": [{"id": "n"}]}', "problem", "it lists n"),
        (200, '{"data": []}', "problem", "it lists none"),
        (200, "<html>", "warning", "does not list its models"),
        (200, '["m"]', "warning", "does not list its models"),
        (404, "", "warning", "HTTP 404"),
        (401, "", "problem", "renew TEST_KEY"),
        (403, "", "problem", "renew TEST_KEY"),
    ],
)
def test_what_a_server_says_of_its_models(status, body, expected, words, httpserver, monkeypatch):
    line = asked(httpserver, Response(body, status=status), monkeypatch)
    assert line.status == expected and words in line.words


def listed(base_url: str, model: str, names: list[str], monkeypatch: pytest.MonkeyPatch) -> Line:
    """Return the line about a server that lists these models."""
    monkeypatch.setenv("TEST_KEY", "sk-secret")
    monkeypatch.setattr(services, "locate", lambda url, *_: Destination(host_of(url), ("192.0.2.1",), False, True))
    monkeypatch.setattr(services, "get", lambda *_: (200, {"data": [{"id": name} for name in names]}))
    transport = {"base_url": base_url, "api_key_variable": "TEST_KEY"}
    return services.ping(
        "m", config_of(llms={"m": {"provider": "openai", "model": model}}, llm_transport={"m": transport})
    )


def test_azure_lists_models_and_is_asked_for_deployments(monkeypatch):
    place = "https://clinic.openai.azure.com/openai/v1/"
    line = listed(place, "my-deployment", ["gpt-4.1"], monkeypatch)
    assert line.status == "warning" and "lists models and not deployments" in line.words
    assert listed(place, "gpt-4.1", ["gpt-4.1"], monkeypatch).status == "ok"


def test_ollama_lists_a_model_with_its_tag(monkeypatch):
    assert listed("https://ollama.example.org/v1", "llama3", ["llama3:latest"], monkeypatch).status == "ok"
    assert listed("https://ollama.example.org/v1", "llama3", ["llama3:8b"], monkeypatch).status == "problem"


def test_a_redirect_is_not_followed_and_the_key_goes_nowhere_else(httpserver, monkeypatch):
    httpserver.expect_request("/elsewhere").respond_with_json({"data": [{"id": "m"}]})
    away = Response(status=302, headers={"Location": httpserver.url_for("/elsewhere")})
    assert asked(httpserver, away, monkeypatch).status == "warning"
    assert [r.path for r, _ in httpserver.log] == ["/v1/models"]


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    """A proxy that the environment names for everything, and that answers whatever it is asked."""
    with HTTPServer(host="127.0.0.1") as server:
        server.expect_request(re.compile(".*")).respond_with_json({"data": [{"id": "of the proxy"}]})
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, server.url_for("/"))
            monkeypatch.setenv(name.upper(), server.url_for("/"))
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield server


def test_the_key_of_a_local_server_passes_through_no_proxy(proxy, httpserver, monkeypatch):
    line = asked(httpserver, Response('{"data": [{"id": "m"}]}'), monkeypatch)
    assert line.status == "ok" and proxy.log == []
    ((arrived, _),) = httpserver.log
    assert arrived.headers["Authorization"] == "Bearer sk-secret"
    # Others are reached through it, as the client reaches them.
    assert get("http://models.example.org/v1/models") == (200, {"data": [{"id": "of the proxy"}]})
    assert [r.headers["Host"] for r, _ in proxy.log] == ["models.example.org"]


def test_a_key_is_not_sent_without_encryption_to_a_remote_host(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setattr(services, "get", lambda *_: pytest.fail("a request was sent"))
    config = config_of(llm_transport={"chatgpt": {"base_url": "http://192.0.2.1/v1"}})
    assert services.ping("chatgpt", config).status == "skipped"
    (line,) = llm_problems(config, "chatgpt", {"public documents": "public"})
    assert line.startswith("llm_transport.chatgpt.base_url") and "without encryption" in line


def test_no_request_is_sent_without_a_key_that_is_needed(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(services, "get", lambda *_: pytest.fail("a request was sent"))
    assert services.ping("chatgpt", config_of()).status == "skipped"


def test_a_server_that_is_not_there_is_unreachable():
    with pytest.raises(Unreachable):
        get("http://127.0.0.1:9/v1")


WEIGHTS = {"siblings": [{"rfilename": "model.safetensors", "size": 3 * 10**8}]}


@pytest.mark.parametrize(
    ("answer", "config", "status", "words"),
    [
        (WEIGHTS, {"model_type": "t5", "decoder_start_token_id": 0}, "ok", "0.3 GB"),
        (WEIGHTS, {"model_type": "opt", "max_position_embeddings": 2200}, "ok", "0.3 GB"),
        (WEIGHTS, {"model_type": "opt", "max_position_embeddings": 2048}, "problem", "has 2048 positions"),
        (WEIGHTS, {"model_type": "bert"}, "problem", "model_type bert"),
        (WEIGHTS, None, "problem", "a/b has no config.json at main (HTTP 404)"),
        ({"siblings": [{"rfilename": "pytorch_model.bin"}]}, {}, "problem", "refs/pr/"),
        ({}, {}, "problem", "no weights in safetensors"),
        (None, {}, "problem", "HTTP 404"),
    ],
)
def test_a_language_model_on_the_hub(answer, config, status, words, httpserver, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", httpserver.url_for("").rstrip("/"))
    for path, content in (("/api/models/a/b/revision/main", answer), ("/a/b/raw/main/config.json", config)):
        expected = httpserver.expect_request(path)
        expected.respond_with_json(content) if content is not None else expected.respond_with_data("", status=404)
    configured = config_of(
        pathvars={"results": str(tmp_path)},
        backbones={"b": {"source": "a/b", "revision": "main"}},
        models={"clinragen": {"backbone": "b", "table": [6]}},
    )
    (line,), _ = services.backbones(configured, {Need(BACKBONE, "b")})
    assert line.status == status and words in line.words


@pytest.mark.parametrize(
    ("answer", "config", "status", "words"),
    [
        (WEIGHTS, {"model_type": "bert", "max_position_embeddings": 512}, "ok", "0.3 GB"),
        (WEIGHTS, {"model_type": "t5"}, "problem", "is of model_type t5; supported text encoders: bert"),
        ({"siblings": [{"rfilename": "pytorch_model.bin"}]}, {}, "problem", "refs/pr/"),
        (None, {}, "problem", "HTTP 404"),
    ],
)
def test_a_text_encoder_on_the_hub(answer, config, status, words, httpserver, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", httpserver.url_for("").rstrip("/"))
    for path, content in (("/api/models/a/b/revision/main", answer), ("/a/b/raw/main/config.json", config)):
        expected = httpserver.expect_request(path)
        expected.respond_with_json(content) if content is not None else expected.respond_with_data("", status=404)
    encoders = {"clinical-bert": {"source": "a/b"}}
    configured = config_of(pathvars={"results": str(tmp_path)}, encoders=encoders)
    (line,) = services.encoders(configured, {Need(ENCODER, "clinical-bert")})
    assert line.place == "encoders.clinical-bert" and line.status == status and words in line.words


@pytest.mark.parametrize("token", [None, "hf_of-somebody-else"])
def test_a_gated_language_model_says_what_to_accept(token, httpserver, monkeypatch, tmp_path):
    """The hub lists it for everybody, but serves its files only to those who have accepted the licence."""
    monkeypatch.setenv("HF_ENDPOINT", httpserver.url_for("").rstrip("/"))
    monkeypatch.setenv("HF_TOKEN", token) if token else monkeypatch.delenv("HF_TOKEN", raising=False)
    facts = {"gated": "manual", "siblings": [{"rfilename": "model.safetensors", "size": 13_500_000_000}]}
    source = "meta-llama/Llama-2-7b-hf"
    httpserver.expect_request(f"/api/models/{source}/revision/main").respond_with_json(facts)
    httpserver.expect_request(f"/{source}/raw/main/config.json").respond_with_data("", status=403)
    configured = config_of(pathvars={"results": str(tmp_path)})
    (line,), _ = services.backbones(configured, {Need(BACKBONE, "llama2-7b")})
    assert (
        line.status == "problem"
        and f"{source} is gated: accept its licence on the hub, and export HF_TOKEN" in line.words
    )
    assert all("Authorization" not in request.headers for request, _ in httpserver.log), "without encryption"


# --- Models that jobs serve themselves ---


def served(tmp_path: Path, model: str, **server: object) -> list[Line]:
    overlay = yaml.safe_load((ROOT / "tests/served.yaml").read_text(encoding="utf-8"))
    change = {"llms": {"tiny": {"model": model}}, "llm_transport": {"tiny": {"server": server}}}
    update_config(overlay, change | {"pathvars": {"results": str(tmp_path)}})
    return services.served_model("tiny", config_of(**overlay))


def with_programs(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}" if name in programs else None)


def test_weights_that_are_fetched_and_a_gpu_are_all_that_a_served_model_needs(tmp_path, monkeypatch):
    directory = tmp_path / "llms/tiny"
    directory.mkdir(parents=True)
    (directory / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    (directory / "model.safetensors").touch()
    with_programs(monkeypatch, "transformers", "nvidia-smi")
    assert served(tmp_path, "some/model") == [ok("llms.tiny.model", f"{directory} is readable")]
    assert served(tmp_path / "none", str(directory)) == [ok("llms.tiny.model", f"{directory} is readable")]


def test_what_a_served_model_lacks_is_told_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with_programs(monkeypatch)
    weights, program, gpu = served(tmp_path, "some/model")
    assert (
        weights.status == "problem" and "run `snakemake weights --cores 1 --configfile <your files>`" in weights.words
    )
    assert program.status == "warning" and "--sdm conda (envs/serve.yaml has vLLM)" in program.words
    assert gpu.status == "problem" and "neither SLURM nor an NVIDIA GPU" in gpu.words
    assert [line.place for line in served(tmp_path, "/no/where", gpus=0)] == ["llms.tiny.model", "tiny: program"]
    with_programs(monkeypatch, "transformers", "sbatch")
    assert len(served(tmp_path, "some/model")) == 1


# --- SLURM ---

SHOWN = (
    "PartitionName=cpu AllowGroups=ALL Default=YES MaxTime=UNLIMITED State=UP TRES=cpu=8,mem=64000M\n"
    "PartitionName=short Default=NO MaxTime=04:00:00 State=UP TRES=cpu=8\n"
    "PartitionName=gpu Default=NO MaxTime=2-00:00:00 State=UP TRES=cpu=8\n"
    "PartitionName=old Default=NO MaxTime=INFINITE State=DOWN TRES=cpu=8\n"
)


def test_partitions_are_read_with_their_limits():
    known = partitions(SHOWN)
    assert list(known) == ["cpu", "short", "gpu", "old"]
    assert [p.minutes for p in known.values()] == [None, 240, 2880, None]
    assert [p.up for p in known.values()] == [True, True, True, False]
    assert known["cpu"].default and not known["gpu"].default


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"runtime": 99999}, None),
        ({"slurm_partition": "short", "runtime": 240}, None),
        ({"slurm_partition": "short", "runtime": 241}, "241 minutes exceed the limit of partition short (240 minutes)"),
        ({"slurm_partition": "none"}, "partition none does not exist; existing: cpu, short, gpu, old"),
        ({"slurm_partition": "old"}, "partition old is not up"),
        ({"slurm_partition": "gpu", "gpu": 1}, None),
    ],
)
def test_what_does_not_fit_a_partition(resources, words):
    found = partition_problem(request(**resources), partitions(SHOWN))
    assert (found is None) if words is None else (found is not None and words in found)


def test_requests_that_agree_are_one_kind_and_local_jobs_are_none():
    same = {"mem_mb": 100, "runtime": 5}
    requests = [request("a", **same), request("b", **same), request("c", mem_mb=1), request("d", local=True)]
    assert list(kinds(requests)) == ["a, b", "c"]


def test_the_command_is_that_of_the_executor_as_a_test():
    command = sbatch_test(request(slurm_partition="gpu", slurm_account="lab 7", mem_mb=24000, runtime=60, gpu=2))
    assert command[0] == "sbatch" and command[-3:] == ["--test-only", "--wrap", "true"]
    for option in (["-p", "gpu"], ["-A", "lab 7"], ["--mem", "24000"], ["-t", "60"]):
        assert option in [command[n : n + 2] for n in range(len(command))]
    assert "--gpus=2" in command


# --- The machine ---


def test_checkpoints_that_models_share_count_once():
    sizes = {"flan-t5-small": 1, "flan-t5-large": 1000}
    # Small: phase 1 of three targets, phases 2 and 3 of three recipes, a separate stage of four rows; large: one of
    # each phase; 5 seeds, 2 datasets.
    assert machine.checkpoint_bytes(config_of(), sizes) == 10 * (3 + 3 * 2 + 4 + 3 * 1000)


def test_adapters_take_next_to_nothing():
    assert machine.checkpoint_bytes(config_of(), {"llama2-7b": 13_500_000_000}) == 0
    whole = config_of(models={"llama-ft": {"training": "joint"}})
    assert machine.checkpoint_bytes(whole, {"llama2-7b": 1}) == 10  # five seeds, two datasets


def test_space_that_is_missing_is_a_problem_until_the_run_has_begun(tmp_path):
    config = config_of(pathvars={"results": str(tmp_path / "results")})
    sizes = {"flan-t5-large": 1 << 60}
    assert machine.disks(config, sizes)[0].status == "problem"
    (tmp_path / "results").mkdir()
    assert machine.disks(config, sizes)[0].status == "warning"
    assert "size unknown" in machine.disks(config, {"flan-t5-small": 0})[0].words


def test_memory_is_compared_with_the_largest_job_that_runs_here():
    jobs = [request("a", mem_mb=10**9), request("b", local=True, mem_mb=10)]
    assert machine.memory(jobs, slurm=True).status == "ok"
    assert machine.memory(jobs, slurm=False).status == "warning"


def test_a_clock_in_the_wrong_year_and_one_that_differs_from_the_file_system(tmp_path, monkeypatch):
    assert machine.clock(tmp_path).status == "ok"
    monkeypatch.setattr(machine.time, "time", lambda: 0.0)
    assert machine.clock(tmp_path).status == "warning"
    monkeypatch.setattr(machine, "YEARS", range(1970, 1971))
    assert machine.clock(tmp_path).status == "problem"


def test_a_directory_that_cannot_be_written_is_a_problem_of_the_file_system_alone(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(machine.tempfile, "NamedTemporaryFile", refuse)
    monkeypatch.setattr(machine.tempfile, "TemporaryDirectory", refuse)
    assert machine.clock(tmp_path).status == "skipped"
    line = machine.file_system(tmp_path)
    assert line.status == "problem" and f"writing fails in {tmp_path} (Permission denied)" in line.words


def test_a_machine_without_slurm_is_a_problem_of_the_slurm_profile(monkeypatch):
    monkeypatch.setenv("PATH", "")
    (line,) = partition_lines([request("a")])
    assert line.status == "problem" and "scontrol not found" in line.words and "snakemake --cores N" in line.words


def test_a_file_system_without_locks_is_a_problem_and_nothing_is_left(tmp_path, monkeypatch):
    assert machine.file_system(tmp_path / "results/paper").status == "ok"

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(machine.fcntl, "lockf", refuse)
    line = machine.file_system(tmp_path)
    assert line.status == "problem" and "locking (fcntl) fails" in line.words and "No locks available" in line.words
    assert list(tmp_path.iterdir()) == []


def test_the_state_of_git(tmp_path):
    assert machine.git_state(tmp_path).status == "warning"
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for command in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    assert machine.git_state(tmp_path).status == "ok"
    (tmp_path / "new").touch()
    line = machine.git_state(tmp_path)
    assert line.status == "warning" and "1 changed" in line.words


def test_the_last_line_sums_up():
    lines = [ok("a", "b"), problem("c", "d"), Line("warning", "e", "f"), Line("skipped", "g", "h")]
    assert summary(lines).startswith("Not ready: 1 problem(s), 1 warning(s), 1 skipped.")
    assert summary(lines[:1]) == "Ready: 0 problem(s), 0 warning(s), 0 skipped."
