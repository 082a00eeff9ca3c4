"""Build hook: compile the C files, or leave their Python twins to serve.

The rule: a build never fails for want of a compiler. `$CC` or the system's `cc` compiles
them; where neither works, the build asks the package index for `ziglang`; where
that fails too, the wheel is a pure one and says so once. The binaries use the limited API:
they serve every CPython from 3.11 on, and Python's own headers need not be installed.

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
from typing import NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

ZIG = "ziglang>=0.13"
FLAGS = ["-std=gnu11", "-O3", "-ffp-contract=off", "-fPIC", "-pthread", "-fvisibility=hidden"]
LINK = (
    ["-bundle", "-undefined", "dynamic_lookup"]
    if sys.platform == "darwin"
    else ["-shared", "-Wl,-S"]
)


HEADER = "src/kingpost/core/python_abi.h"


class Extension(NamedTuple):
    """A C file that is compiled.

    Attributes:
        source: From the root; the binary lies beside it.
        twin: What serves where it was not compiled, and at what price.
        try_out: Python that must run with the module as `built`.
    """

    source: str
    twin: str
    try_out: str

    @property
    def name(self) -> str:
        """The module's own name."""
        return Path(self.source).stem

    @property
    def binary(self) -> str:
        """Where the binary lies, from the root."""
        return self.source.removesuffix(".c") + ".abi3.so"


EXTENSIONS = (
    Extension(
        "src/kingpost/features/_kernel.c",
        "the window kernel's Python twin serves: the same values, a backfill about 100 times slower",
        """
import array
state, out = built.State([100], [("mean", 0, 10, 0, 0.0, 0, 0)]), array.array("d", [0.0])
state.insert(0, 5, 1, (25,))
state.read(0, 14, 2, out, 0)
assert out[0] == 0.25, out
""",
    ),
    Extension(
        "src/kingpost/journal/_frames.c",
        "commits are encoded by Python: the same bytes, a microsecond more for each",
        """
from types import SimpleNamespace
entry = SimpleNamespace(kind="k", tenant="", topic="t", body=b"123456789", count=1)
made = built.encode(lambda *parts: parts, [entry], 0, 0, 0)
assert made and made[4] == 8 + len(made[5][0]) == 55, made
""",
    ),
    Extension(
        "src/kingpost/proofs/_leaf.c",
        "leaves of the tree are written by Python: the same bytes, two microseconds more for each",
        """
entry = b"\\1\\0\\0\\0" b"\\1\\0\\0\\0" b"\\3\\0" b"k\\0\\0" b"b"
made = built.commitments(entry, 0, len(entry), 5, lambda block: bytes(64))
assert made and made[1] == 1 and len(made[0]) == 39, made
""",
    ),
)


class ExtensionsBuildHook(BuildHookInterface):
    """Adds the compiled modules to a wheel, or to the tree of an editable install."""

    def dependencies(self) -> list[str]:
        """Ask for a compiler from the package index only where none is installed."""
        wanted = self.target_name == "wheel" and can_load_extensions()
        return [ZIG] if wanted and not works(system_compiler()) else []

    def initialize(self, version: str, build_data: dict[str, object]) -> None:
        """Compile before the wheel's files are gathered; `version` names the kind of build."""
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        compiled: list[str] = []
        for extension in EXTENSIONS:
            failures = compile_extension(root, extension)
            if failures:
                why = "; ".join(failures)
                self.app.display_warning(
                    f"{extension.source} was not compiled, {extension.twin}. {why}"
                )
            else:
                compiled.append(extension.binary)
        if not compiled:
            return
        if version == "editable":
            make_newest(root, compiled)
        build_data["artifacts"] = compiled
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{platform_tag()}"


def compile_extension(root: Path, extension: Extension) -> list[str]:
    """Bring a binary up to date. Returns why not: nothing when it is."""
    source, binary = root / extension.source, root / extension.binary
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
    with tempfile.TemporaryDirectory(prefix="kingpost-build-") as scratch:
        for compiler in compilers:
            built = Path(scratch, binary.name)
            headers = dict.fromkeys(sysconfig.get_path(x) for x in ("include", "platinclude"))
            command = [*compiler, *FLAGS, *LINK, *(f"-I{path}" for path in headers)]
            failure = run(
                [*command, f'-DSOURCE_DIGEST="{digest}"', str(source), "-lm", "-o", str(built)],
                scratch,
            ) or run(
                [sys.executable, "-c", LOAD + extension.try_out, extension.name, str(built)],
                scratch,
            )
            if not failure:
                # Through a rename: a process that has the old binary mapped keeps it.
                beside = binary.with_name(f"{binary.name}.{os.getpid()}")
                shutil.copy(built, beside)
                os.utime(beside, (0, 0))  # new to `make_newest`
                beside.replace(binary)
                return []
            failures.append(f"{shlex.join(compiler)}: {failure}")
    return failures


def make_newest(root: Path, compiled: list[str]) -> None:
    """Leave the binaries as the newest of the files that are uv's cache keys.

    uv compares the newest time stamp only, and notes it before it builds. So that a tree
    whose binaries were removed never looks like one it has built before, the sources are given
    a new time and the binaries the next one, unless the binaries are the newest already.
    """
    sources = [root / extension.source for extension in EXTENSIONS]
    others = [root / "pyproject.toml", root / "hatch_build.py", *sources, root / HEADER]
    binaries = [root / name for name in compiled]
    newest = max(file.stat().st_mtime_ns for file in others)
    if min(binary.stat().st_mtime_ns for binary in binaries) <= newest:
        now = time.time_ns()
        for source in sources:
            os.utime(source, ns=(now, now))
        for binary in binaries:
            os.utime(binary, ns=(now + 1_000_000, now + 1_000_000))


LOAD = """
import importlib.machinery, importlib.util, sys
loader = importlib.machinery.ExtensionFileLoader(*sys.argv[1:])
built = importlib.util.module_from_spec(importlib.util.spec_from_loader(sys.argv[1], loader))
loader.exec_module(built)
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
