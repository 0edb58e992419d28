# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes a Python that this machine doesn't have, once: ``.venv/bin/python dev/made_python.py CACHE VERSION...``.

It is the one of a Debian release, with the libraries it needs, unpacked in a directory of CACHE: nothing is
installed, and root isn't needed. The packages come from the mirror that the machine's own apt uses. The program is told
where its loader and its libraries are, so it runs from there like any other.

Prints the interpreter's path. Exits with 77 where none of the versions can be made, and says why.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import sys
from pathlib import Path

from ansible_collections.snapship.dr.tests.lab.debian import KEYRING, CannotBuild, Debian, Log, mirrors

NOT_HERE = 77
# What every Python of Debian needs, by the names that all releases have for it.
COMMON = (
    *("libc6", "libbz2-1.0", "libexpat1", "libffi8", "libgcc-s1", "liblzma5", "libncursesw6", "libsqlite3-0"),
    *("libstdc++6", "libtinfo6", "libuuid1", "zlib1g", "python3-pip-whl"),
)
# The release that has a Python, and what else that needs there.
RELEASES = {
    "3.11": ("bookworm", ("libcrypt1", "libdb5.3", "libreadline8", "libssl3", "python3-setuptools-whl")),
    "3.13": ("trixie", ("libdb5.3t64", "libreadline8t64", "libssl3t64")),
}
# Newer ones than this release's break a program when they set both its loader and its libraries.
PATCHELF = "patchelf/bookworm"
# What must work in a Python that was made.
CHECK = "import bz2, ctypes, ensurepip, lzma, readline, sqlite3, ssl, uuid, venv, zlib"


def packages(version: str) -> list[str]:
    names = [f"python{version}", f"python{version}-minimal", f"python{version}-venv"]
    names += [f"libpython{version}-minimal", f"libpython{version}-stdlib"]
    return [*names, *COMMON, *RELEASES[version][1]]


def place(cache: Path, version: str) -> Path:
    """Where that Python is or will be. A change to what it is made of makes a new one."""
    recipe = json.dumps([1, RELEASES[version][0], packages(version), PATCHELF])
    return cache / "made-pythons" / f"{version}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def why_not(versions: list[str]) -> str | None:
    """Why none of them can be made here; None where one can."""
    if not RELEASES.keys() & set(versions):
        return f"only {' and '.join(RELEASES)} can be made"
    if not Path(KEYRING).exists() or mirrors().get("Debian") is None:
        return "it could only be made from a Debian mirror, and this machine's apt has none"
    return None


def interpreter(cache: Path, version: str) -> Path:
    """That Python, made now where it is missing; two callers at once make it once. Raises CannotBuild."""
    target = place(cache, version)
    program, complete = target / f"usr/bin/python{version}", target / "complete"
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            make(version, target)
            complete.touch()
    return program


def make(version: str, target: Path) -> None:
    log = Log(target.with_name(f"{target.name}.log"))
    log.say(f"making Python {version} from Debian's packages, once, in half a minute; details in {log.path}")
    release, work = RELEASES[version][0], target.with_name(f"{target.name}.unfinished")
    for directory in (work, target):
        shutil.rmtree(directory, ignore_errors=True)
    debian = Debian(work, log, sorted({release, "bookworm"}), release)
    debian.update()
    debian.download(PATCHELF, *(f"{name}/{release}" for name in packages(version)))
    for package in sorted(debian.packages.glob("*.deb")):
        log.do("dpkg-deb", "-x", package, work if package.name.startswith("patchelf") else target)
    settle(version, target, work / "usr/bin/patchelf", log)
    shutil.rmtree(work)


def settle(version: str, target: Path, patchelf: Path, log: Log) -> None:
    """Makes the unpacked Python run where it is."""
    program = target / f"usr/bin/python{version}"
    # Below /usr or not: newer releases have moved everything there.
    loader = next(target.glob("**/ld-linux-*"))
    libraries = ":".join(str(each) for lib in ("lib", "usr/lib") for each in target.glob(f"{lib}/*-linux-gnu*"))
    options = ["--force-rpath", "--set-rpath", libraries, "--set-interpreter", loader]
    log.do(loader, "--library-path", libraries, patchelf, *options, program)
    wheels = "/usr/share/python-wheels/"
    for settings in target.glob(f"usr/lib/python{version}/_sysconfigdata_*.py"):
        text = settings.read_text(encoding="utf-8").replace(f"'{wheels}'", f"'{target}{wheels}'")
        settings.write_text(text, encoding="utf-8")
    log.do(program, "-c", CHECK)


def main() -> int:
    cache, versions = Path(sys.argv[1]), sys.argv[2:]
    reason = why_not(versions)
    if reason:
        wanted = f"python{versions[0]}"
        print(f"no Python {' or '.join(versions)} here: {reason}; install {wanted} and {wanted}-venv", file=sys.stderr)
        return NOT_HERE
    try:
        print(interpreter(cache, next(each for each in versions if each in RELEASES)))
    except CannotBuild as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
