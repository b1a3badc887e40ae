"""How a GPU multiplies numbers of fp32 is said once per process, and never left to what PyTorch found."""

import pytest
import torch

from clinragen.errors import UserError
from clinragen.model.device import prepare_device


@pytest.fixture(autouse=True)
def as_found():
    found = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(found)


@pytest.mark.parametrize(("precision", "expected"), [("fp32", "highest"), ("bf16", "highest"), ("tf32", "high")])
@pytest.mark.parametrize("before", ["highest", "high", "medium"])
def test_tf32_is_used_where_asked_for_and_fp32_is_exact(precision, expected, before, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    torch.set_float32_matmul_precision(before)
    prepare_device("cuda", precision, "train.launch.device")
    assert torch.get_float32_matmul_precision() == expected
    assert torch.backends.cuda.matmul.fp32_precision == ("tf32" if precision == "tf32" else "ieee")


def test_a_processor_is_left_alone():
    torch.set_float32_matmul_precision("highest")
    prepare_device("cpu", "fp32", "train.launch.device")
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_an_error():
    with pytest.raises(UserError, match=r"train\.launch\.device is cuda, but PyTorch sees no GPU here"):
        prepare_device("cuda", "fp32", "train.launch.device")
