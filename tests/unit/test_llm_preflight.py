"""What would stop the teacher is told before a job starts, all of it, and nothing that is not needed."""

from pathlib import Path

import pytest
import yaml

from clinragen.config.teacher import Teacher, Transport
from clinragen.llm.preflight import problems

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text(encoding="utf-8"))
TEACHER = Teacher(**CONFIG["teacher"])
TEXTS = {"MIMIC-III": "folder", "MIMIC-IV": "folder", "public documents": "public"}


def transport(**values: object) -> Transport:
    return Transport(**CONFIG["teacher_transport"] | {"api_key_variable": "TEST_KEY"} | values)


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("TEST_KEY", raising=False)


def test_every_refused_text_and_the_key_are_told():
    lines = problems(TEACHER, transport(), TEXTS)
    assert len(lines) == 3
    for line, name in zip(lines, ("MIMIC-III", "MIMIC-IV"), strict=False):
        assert line.startswith("teacher_transport.data_use: none does not let") and f" {name} " in line
        assert "docs/data-access.md" in line
    assert "TEST_KEY" in lines[2]


def test_nothing_is_wrong_with_permission_and_key(monkeypatch):
    monkeypatch.setenv("TEST_KEY", "x")
    assert problems(TEACHER, transport(data_use="no-retention-cloud"), TEXTS) == []


def test_open_texts_need_the_key_only():
    (line,) = problems(TEACHER, transport(), {"public documents": "public"})
    assert "TEST_KEY" in line


def test_a_local_server_needs_no_key():
    local = transport(base_url="http://127.0.0.1:8000/v1", data_use="local-server")
    assert problems(TEACHER, local, TEXTS) == []


def test_the_template_and_a_run_without_requests_need_nothing():
    assert problems(TEACHER.model_copy(update={"provider": "template"}), transport(), TEXTS) == []
    assert problems(TEACHER, transport(), {}) == []


def test_a_wrong_address_is_told_once():
    (line,) = problems(TEACHER, transport(base_url="api.openai.com"), TEXTS)
    assert line.startswith("teacher_transport.base_url")
