"""The compiled kernel does nothing that C leaves undefined: compiled so that it would stop there."""

import os
import shlex
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import kingpost.features

SOURCE = Path(kingpost.features.__file__).with_name("_kernel.c")
TRAPS = ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
FLAGS = ["-std=gnu11", "-O0", "-ffp-contract=off", "-fPIC", "-pthread", "-shared"]
CHILD = """
import importlib.machinery, importlib.util, sys
NAME = "kingpost.features._kernel"
loader = importlib.machinery.ExtensionFileLoader(NAME, sys.argv[1])
module = importlib.util.module_from_spec(importlib.util.spec_from_loader(NAME, loader))
loader.exec_module(module)
sys.modules[NAME] = module
from tests.window_streams import Kernel, as_bits, random_stream
kernel = Kernel("c", NAME)
for seed in range(12):
    stream = random_stream(seed, events=600, asks=10, late=0.2 * (seed % 3), retracted=0.1)
    stream.answers(kernel, as_known=True, threads=2)
    stream.answers(kernel, as_known=False)
    stream.at_its_own_events().answers(kernel, as_known=True)
    state = stream.state(kernel, loaded=300)
    for event in stream.events[::7]:
        assert state.retract(event.code, event.t, event.s)
    for low in (10, 60, 2**40):
        for first in {event.code for event in stream.events}:
            state.drop(low, first, first + 1)
    assert state.events() == 0
"""


def test_no_stream_makes_the_kernel_do_what_is_undefined(tmp_path: Path) -> None:
    compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
    binary = tmp_path / "_kernel.so"
    include = f"-I{sysconfig.get_path('include')}"
    command = [*compiler, *FLAGS, *TRAPS, include, str(SOURCE), "-lm", "-o", str(binary)]
    try:
        built = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip(f"there is no compiler {compiler[0]}")
    assert built.returncode == 0, built.stderr

    ran = subprocess.run(
        [sys.executable, "-c", CHILD, str(binary)], check=False, capture_output=True, text=True
    )

    assert ran.returncode >= 0, f"undefined behaviour: {signal.Signals(-ran.returncode).name}"
    assert ran.returncode == 0, ran.stderr
