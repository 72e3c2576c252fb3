"""benchmarks/gpu.py: its whole path without a GPU, what it refuses, and the arithmetic of its table."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def module(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    import importlib

    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module(name)


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return module("gpu_parts.kernels", monkeypatch)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return module("gpu_parts.as_installed", monkeypatch)


def start(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.soak
def test_the_whole_path_without_a_gpu(tmp_path: Path) -> None:
    """pytest -m soak tests/test_gpu_script.py"""
    done = start("--cpu", "--small", "--json", str(tmp_path / "gpu.json"))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    rows = found["rows"]
    assert [row for row in rows if row[1] in ("failed", "not done") and row[0] != "compile"] == [], done.stderr
    assert [row for row in rows if row[2] == "NOT THE SAME"] == []
    for part in (
        *("best rate, bf16", "cyclegan 32, batch 1, safe", "cyclegan 32, batch 1, auto, bf16", "first losses"),
        *("later losses", "graphs", "the fastest in bf16", "convolutions", "nothing to do"),
        *("waiting for data", "translate 32, batch 16", "losses after step 2", "quick-norms", "compile"),
    ):
        assert any(part in row[0] for row in rows), part
    assert [row[1] for row in rows if "graphs" in row[0]] == ["not possible"]
    assert not any(row[3] for row in rows if row[0].endswith((", safe", ", by hand")))
    speeds = {row[0]: row for row in rows if "images/s," in row[1] and "cyclegan" in row[0]}
    (by_hand,) = (float(row[1].split()[0]) for name, row in speeds.items() if name.endswith("by hand"))
    for name, (_, found_rate, beside, target) in speeds.items():
        if not name.endswith("by hand"):
            assert float(found_rate.split()[0]) / by_hand == pytest.approx(float(beside.split()[0]), abs=0.02)
            assert beside.endswith("times the classic step by hand")
        if "auto" in name:
            assert target == f">= 4: {'met' if float(beside.split()[0]) >= 4 else 'missed'}"
    assert all("bf16" in row[0] for row in rows if "bf16 rate" in row[2] and "TFLOP a step" in row[1])
    table = done.stdout.partition("\n\n")[2].splitlines()[1:]
    assert len(table) == 2 + len(rows) and len({len(line) for line in table}) == 1
    assert all(cell in line for row, line in zip(rows, table[2:], strict=True) for cell in row)


@pytest.mark.parametrize(
    ("value", "target", "verdict"),
    [
        *((4.0, ">= 4", "met"), (3.99, ">= 4", "missed"), (0.8, "<= 0.80", "met"), (0.81, "<= 0.80", "missed")),
        *((0.019, "< 2 %", "met"), (0.02, "< 2 %", "missed"), (float("inf"), "<= 0.05", "missed")),
    ],
)
def test_a_target_is_met_or_missed(monkeypatch: pytest.MonkeyPatch, value: float, target: str, verdict: str) -> None:
    assert module("gpu_parts.sections", monkeypatch).judged(value, target) == f"{target}: {verdict}"


def test_without_a_gpu_it_says_so_and_how_to_try_it() -> None:
    done = start("--only", "rates")
    assert done.returncode == 1 and done.stdout == ""
    assert "finds no GPU" in done.stderr and "--cpu --small" in done.stderr


def test_a_section_that_there_is_not() -> None:
    done = start("--only", "rates,speed")
    assert done.returncode == 2
    assert "no section is called speed" in done.stderr and "kernels" in done.stderr


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=12))
def test_the_device_is_busy_where_any_work_lies(pairs: list[tuple[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = module("gpu_parts.kernels", monkeypatch)
        work = [found.Work("gemm", begin, begin + length) for begin, length in pairs]
        seconds = {second for begin, length in pairs for second in range(begin, begin + length)}
        assert found.busy(work) == len(seconds)


def test_shares_and_gaps_make_up_the_time_of_work_that_does_not_overlap(kernels: ModuleType) -> None:
    work = [
        kernels.Work("sm90_xmma_fprop_implicit_gemm_bf16", 0.0, 0.4),
        kernels.Work("multi_tensor_apply_kernel<FusedAdam>", 0.5, 0.6),
        kernels.Work("what is this", 0.9, 1.0),
    ]
    rows = kernels.shares(work, 2, kernels.span(work))
    assert [kind for kind, _, _ in rows] == ["convolutions", "optimizer and averages", "other", "nothing to do (gaps)"]
    assert [round(milliseconds) for _, milliseconds, _ in rows] == [200, 50, 50, 200]
    assert sum(share for _, _, share in rows) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("void cudnn::ops::nchwToNhwcKernel<float>", "copies and layouts"),
        ("sm80_xmma_wgrad_implicit_gemm_indexed_tf32f32", "convolutions"),
        ("cutlass__5x_cudnn::Kernel<cutlass_tensorop_s1688dgrad>", "convolutions"),
        ("void cudnn::bn_fw_tr_1C11_kernel_NCHW<float>", "norms"),
        ("void at::native::batch_norm_collect_statistics_channels_last_kernel", "norms"),
        ("void at::native::multi_tensor_apply_kernel<FusedAdamMathFunctor>", "optimizer and averages"),
        ("nvjet_sm90_tst_128x256_gemm", "matrix products"),
        ("void at::native::reflection_pad2d_out_kernel<float>", "padding"),
        ("void at::native::vectorized_elementwise_kernel<4, FillFunctor>", "elementwise"),
        ("void at::native::reduce_kernel<512, 1, MeanOps>", "sums"),
        ("Memcpy HtoD (Pinned -> Device)", "copies and layouts"),
        ("aten::mkldnn_convolution", "convolutions"),
        ("a kernel of tomorrow", "other"),
    ],
)
def test_kernels_are_told_by_their_names(kernels: ModuleType, name: str, kind: str) -> None:
    assert kernels.kind_of(name) == kind


def test_packages_that_are_only_copied_are_found(
    installed: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(installed, "known", lambda name: False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    installed.as_installed(tmp_path)
    here = list(metadata.distributions(path=[str(tmp_path)]))
    assert {distribution.metadata["Name"] for distribution in here} >= {"toonforge", "toonforge-cyclegan"}
    points = {(p.group, p.name, p.value) for d in here for p in d.entry_points}
    assert ("toonforge", "cyclegan", "toonforge_cyclegan.plugin") in points
    root = BENCHMARKS.parent
    assert {str(tmp_path), str(root), str(root / "plugins/cyclegan/src")} <= set(sys.path)
    import os

    assert os.environ["PYTHONPATH"].split(os.pathsep)[-1] == "elsewhere"


def test_packages_that_are_missing_are_named(
    installed: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert {"torch", "jinja2", "cattrs"} <= set(installed.needed())
    monkeypatch.setattr(installed.importlib.util, "find_spec", lambda name: None if name == "tomli_w" else object())
    with pytest.raises(SystemExit) as caught:
        installed.as_installed(tmp_path)
    assert "missing: tomli-w" in str(caught.value) and "pip install tomli-w" in str(caught.value)


def test_a_failure_is_a_row_and_the_rest_goes_on_unless_the_device_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from argparse import Namespace

    script = module("gpu_parts.day", monkeypatch)
    day = script.Day(Namespace(cpu=True, small=False, minutes=1.0), tmp_path)

    def fails() -> None:
        raise ValueError("no such kernel\nmore of it")

    day.attempt("first", 10, fails)
    day.attempt("second", 10, lambda: day.row("second", "1 ms"))
    day.attempt("long", 1000, fails)
    assert [row[:2] for row in day.rows] == [("first", "failed"), ("second", "1 ms"), ("long", "not done")]
    assert day.rows[0][2] == "ValueError: no such kernel"
    monkeypatch.setattr(script, "works", lambda device: False)
    day.attempt("third", 10, fails)
    day.attempt("fourth", 10, lambda: day.row("fourth", "1 ms"))
    assert [row[1] for row in day.rows[3:]] == ["failed", "not done"]
