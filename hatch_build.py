"""Build hook: compile the window kernel, or leave its Python twin to serve.

The rule: a build never fails for want of a compiler. `$CC` or the system's `cc` compiles
the one C file; where neither works, the build asks the package index for `ziglang`; where
that fails too, the wheel is a pure one and says so once. The binary uses the limited API:
one serves every CPython from 3.11 on, and Python's own headers need not be installed.

Compiled for wheels and editable installs alike, next to its source; a binary that carries
the digest of its sources is not compiled again.
"""

import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

SOURCE = "src/kingpost/features/_kernel.c"
HEADER = "src/kingpost/features/_kernel_abi.h"
BINARY = "src/kingpost/features/_kernel.abi3.so"
ZIG = "ziglang>=0.13"
FLAGS = ["-std=gnu11", "-O3", "-ffp-contract=off", "-fPIC", "-pthread", "-fvisibility=hidden"]
LINK = (
    ["-bundle", "-undefined", "dynamic_lookup"]
    if sys.platform == "darwin"
    else ["-shared", "-Wl,-S"]
)


class KernelBuildHook(BuildHookInterface):
    """Adds the compiled kernel to a wheel, or to the tree of an editable install."""

    def dependencies(self) -> list[str]:
        """Ask for a compiler from the package index only where none is installed."""
        wanted = self.target_name == "wheel" and can_load_extensions()
        return [ZIG] if wanted and not works(system_compiler()) else []

    def initialize(self, version: str, build_data: dict[str, object]) -> None:
        """Compile before the wheel's files are gathered; `version` names the kind of build."""
        if self.target_name != "wheel":
            return
        failures = compile_kernel(Path(self.root))
        if failures:
            self.app.display_warning(
                "the window kernel was not compiled, its Python twin serves: the same values, "
                "a backfill about 100 times slower. " + "; ".join(failures)
            )
            return
        if version == "editable":
            make_newest(Path(self.root))
        build_data["artifacts"] = [BINARY]
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{platform_tag()}"


def compile_kernel(root: Path) -> list[str]:
    """Bring the binary up to date. Returns why not: nothing when it is."""
    source, binary = root / SOURCE, root / BINARY
    if not can_load_extensions():
        binary.unlink(missing_ok=True)
        return [f"{sys.implementation.name} does not load extensions of the limited API"]
    digest = digest_of(source, root / HEADER, Path(__file__))
    if binary.exists() and digest.encode() in binary.read_bytes():
        return []
    binary.unlink(missing_ok=True)
    failures: list[str] = []
    compilers = [system_compiler()]
    if importlib.util.find_spec("ziglang"):
        compilers.append([sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"])
    with tempfile.TemporaryDirectory(prefix="kingpost-kernel-") as scratch:
        for compiler in compilers:
            built = Path(scratch, binary.name)
            headers = dict.fromkeys(sysconfig.get_path(x) for x in ("include", "platinclude"))
            command = [*compiler, *FLAGS, *LINK, *(f"-I{path}" for path in headers)]
            failure = run(
                [*command, f'-DKERNEL_DIGEST="{digest}"', str(source), "-lm", "-o", str(built)],
                scratch,
            ) or run([sys.executable, "-c", TRY_OUT, str(built)], scratch)
            if not failure:
                # Through a rename: a process that has the old binary mapped keeps it.
                beside = binary.with_name(f"{binary.name}.{os.getpid()}")
                shutil.copy(built, beside)
                os.utime(beside, (0, 0))  # new to `make_newest`
                beside.replace(binary)
                return []
            failures.append(f"{shlex.join(compiler)}: {failure}")
    return failures


def make_newest(root: Path) -> None:
    """Leave the binary as the newest of the files that are uv's cache keys.

    uv compares the newest time stamp only, and notes it before it builds. So that a tree
    whose binary was removed never looks like one it has built before, the source is given
    a new time and the binary the next one, unless the binary is the newest already.
    """
    source, binary = root / SOURCE, root / BINARY
    others = [root / "pyproject.toml", root / "hatch_build.py", source, root / HEADER]
    if binary.stat().st_mtime_ns <= max(file.stat().st_mtime_ns for file in others):
        now = time.time_ns()
        os.utime(source, ns=(now, now))
        os.utime(binary, ns=(now + 1_000_000, now + 1_000_000))


TRY_OUT = """
import array, importlib.machinery, importlib.util, sys
loader = importlib.machinery.ExtensionFileLoader("_kernel", sys.argv[1])
kernel = importlib.util.module_from_spec(importlib.util.spec_from_loader("_kernel", loader))
loader.exec_module(kernel)
state, out = kernel.State([100], [("mean", 0, 10, 0, 0.0, 0, 0)]), array.array("d", [0.0])
state.insert(0, 5, 1, (25,))
state.read(0, 14, 2, out, 0)
assert out[0] == 0.25, out
"""


def can_load_extensions() -> bool:
    """Say whether this Python takes binaries of the limited API."""
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    return sys.implementation.name == "cpython" and not free_threaded


def digest_of(*files: Path) -> str:
    """Return what a binary carries when it was made from these files for this platform."""
    seen = hashlib.sha256(sysconfig.get_platform().encode())
    for file in files:
        seen.update(hashlib.sha256(file.read_bytes()).digest())
    return seen.hexdigest()


def system_compiler() -> list[str]:
    """Return the command of `$CC`, else of `cc`."""
    return shlex.split(os.environ.get("CC", "")) or ["cc"]


def works(compiler: list[str]) -> bool:
    """Say whether a compiler can make a shared library at all."""
    with tempfile.TemporaryDirectory(prefix="kingpost-kernel-") as scratch:
        source = Path(scratch, "probe.c")
        source.write_text("__int128 probe(void) { return 0; }\n")
        command = [*compiler, *FLAGS, *LINK, str(source), "-o", str(Path(scratch, "probe.so"))]
        return not run(command, scratch)


def run(command: list[str], scratch: str) -> str:
    """Run a command. Returns the end of what it complained about, nothing if all went well."""
    places = {"ZIG_GLOBAL_CACHE_DIR": scratch, "ZIG_LOCAL_CACHE_DIR": scratch}
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, **places},
        )
    except OSError as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return done.stderr.strip()[-500:] or f"exit status {done.returncode}"


def platform_tag() -> str:
    """Return this machine's platform as wheels name it."""
    return next(
        tag.platform
        for tag in sys_tags()
        if "manylinux" not in tag.platform and "musllinux" not in tag.platform
    )
