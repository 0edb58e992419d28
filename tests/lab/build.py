# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds what the lab's guests are started from, once: ``.venv/bin/python tests/lab/build.py`` prints where it is.

A build is a directory in the cache, outside the checkout: ``linux`` (Debian's User Mode Linux kernel), ``root`` (a
small Debian with LVM, ZFS and its modules) and ``versions``. It needs root on a Debian machine (amd64) and takes
three to six minutes; everything comes from the mirror that the machine's own apt uses. ZFS modules for Linux may be
built and used, but not passed on: nothing of a build belongs into the checkout or a package.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible_collections.snapship.dr.tests.lab.debian import CannotBuild, Debian, Log, mirrors
from ansible_collections.snapship.dr.tests.lab.symvers import symvers

RELEASE, NEWER, BACKPORTS = "bookworm", "trixie", "bookworm-backports"
# What a build consists of. Its digest is part of the build's name: a change here makes a new build.
RECIPE = {
    "format": 1,  # to be raised when the code below builds something else
    "releases": [RELEASE, NEWER, BACKPORTS],
    "root": [
        *("lvm2", "thin-provisioning-tools", "dmsetup", "zfsutils-linux"),
        *("e2fsprogs", "xfsprogs", "btrfs-progs", "util-linux", "udev", "kmod"),
        *("python3", "ca-certificates", "iproute2", "procps", "zstd", "less"),
        # What a Python built on the machine itself is commonly linked with.
        *("libssl3", "libffi8", "libsqlite3-0", "libbz2-1.0", "liblzma5", "libreadline8", "libuuid1"),
    ],
}
# Needed on the machine itself: mmdebstrap, a C compiler and what the build systems of Linux and ZFS call.
TOOLS = (
    *("mmdebstrap", "debian-archive-keyring", "xz-utils", "kmod"),
    *("gcc", "libc6-dev", "make", "bc", "flex", "bison", "libelf-dev", "libssl-dev"),
)


def cache() -> Path:
    """Where the project keeps what it makes once per machine."""
    own = os.environ.get("SNAPSHIP_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "snapship-dr"


def place() -> Path:
    """Where the build is or will be."""
    digest = hashlib.sha256(json.dumps(RECIPE, sort_keys=True).encode()).hexdigest()
    return cache() / "lab" / f"{RELEASE}-{digest[:12]}"


def why_not() -> str | None:
    """Why the lab can't run here, None where it can."""
    if os.uname().sysname != "Linux" or os.uname().machine != "x86_64":
        return "it needs Linux on x86_64"
    if os.geteuid() != 0:
        return "it needs root"
    if not is_built() and mirrors().get("Debian") is None:
        return "it is built from a Debian mirror, and this machine's apt has none"
    return None


def is_built() -> bool:
    return (place() / "versions").exists()


def ensure() -> Path:
    """The build's directory, built now where it is missing; two callers at once build once.

    Raises CannotBuild.
    """
    target = place()
    if is_built():
        return target
    reason = why_not()
    if reason:
        raise CannotBuild(f"the lab can't be built here: {reason}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_built():
            Build(target).run()
    return target


class Build:
    """One build, made in a directory beside its place and renamed when it is complete."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.work = target.with_name(f"{target.name}.unfinished")
        self.out = self.work / "out"
        self.log = Log(target.with_name(f"{target.name}.log"))
        self.debian = Debian(self.work, self.log, [RELEASE, f"{RELEASE}-updates", BACKPORTS, NEWER], RELEASE)

    def run(self) -> None:
        self.log.say(f"building the lab, once, in three to six minutes; details in {self.log.path}")
        shutil.rmtree(self.work, ignore_errors=True)
        self.out.mkdir(parents=True)
        self.debian.install(TOOLS)
        self.fetch()
        # The one is mostly downloads and unpacking, the other mostly compiling.
        with ThreadPoolExecutor() as pool:
            parts = [pool.submit(self.make_root), pool.submit(self.make_modules)]
        for part in parts:
            part.result()
        self.join()
        (self.out / "versions").write_text(json.dumps(self.debian.versions(), indent=2) + "\n", encoding="utf-8")
        self.out.rename(self.target)
        shutil.rmtree(self.work)
        self.log.say("the lab is built")

    def fetch(self) -> None:
        self.log.say("fetching kernel and sources")
        self.debian.update()
        self.debian.download(f"user-mode-linux/{RELEASE}", f"zfs-dkms/{BACKPORTS}", f"thin-provisioning-tools/{NEWER}")
        field = ["dpkg-deb", "--field", str(self.debian.package("user-mode-linux")), "Built-Using"]
        built_using = subprocess.run(field, check=True, capture_output=True, text=True).stdout
        sources = re.search(r"\blinux \(= ([^)]+)\)", built_using)
        if not sources:
            raise CannotBuild(f"user-mode-linux doesn't say which sources it was built from: {built_using!r}")
        self.debian.download(f"linux-source-6.1={sources[1]}")

    def make_root(self) -> None:
        self.log.say("making the guests' root")
        root, pin, newer_tools = self.out / "root", self.work / "pin", self.out / "root/opt/tpt1"
        pin.write_text(f"Package: src:zfs-linux\nPin: release n={BACKPORTS}\nPin-Priority: 900\n", encoding="utf-8")
        options = [f"--include={','.join(RECIPE['root'])}", '--aptopt=APT::Install-Recommends "false"']
        options.append(f'--setup-hook=cp {pin} "$1/etc/apt/preferences.d/lab"')
        options += [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("doc", "locale", "man")]
        sources = [line for line in self.debian.sources() if f" {NEWER} " not in line]
        self.log.do("mmdebstrap", "--variant=minbase", *options, RELEASE, root, *sources)
        newer_tools.mkdir(parents=True)
        self.log.do("dpkg-deb", "-x", self.debian.package("thin-provisioning-tools"), newer_tools)
        self.log.say("made the guests' root")

    def make_modules(self) -> None:
        """The ZFS modules of the kernel that Debian built, from its sources and its configuration."""
        self.log.say("preparing the kernel's sources")
        uml, source, objects, zfs = (self.work / each for each in ("uml", "linux", "objects", "zfs"))
        self.log.do("dpkg-deb", "-x", self.debian.package("user-mode-linux"), uml)
        self.debian.unpack("linux-source-6.1", "./usr/src/linux-source-6.1.tar.xz", source)
        objects.mkdir()
        with (objects / ".config").open("wb") as config:
            self.log.do("zcat", uml / "usr/share/doc/user-mode-linux/config.gz", stdout=config)
        jobs = f"-j{os.cpu_count()}"
        for target in ("olddefconfig", "modules_prepare"):
            self.log.do("make", jobs, "-C", source, f"O={objects}", "ARCH=um", target)
        exported = "".join(f"{line}\n" for line in symvers(uml / "usr/bin/linux.uml"))
        (objects / "Module.symvers").write_text(exported, encoding="ascii")

        self.log.say("configuring the ZFS modules")
        self.log.do("dpkg-deb", "-x", self.debian.package("zfs-dkms"), zfs)
        (tree,) = (zfs / "usr/src").iterdir()
        options = ["--with-config=kernel", f"--with-linux={source}", f"--with-linux-obj={objects}"]
        configure = ["sh", "configure", "--disable-dependency-tracking", "--prefix=/usr", *options, "KERNEL_ARCH=um"]
        self.log.do(*configure, cwd=tree)
        self.log.say("compiling the ZFS modules")
        self.log.do("make", jobs, "KERNEL_ARCH=um", "ARCH=um", cwd=tree)
        self.log.say("compiled the ZFS modules")

    def join(self) -> None:
        """Puts kernel and modules where guests find them."""
        (modules,) = (self.work / "uml/usr/lib/uml/modules").iterdir()
        (zfs,) = (self.work / "zfs/usr/src").iterdir()
        installed = self.out / "root/usr/lib/modules" / modules.name
        shutil.copytree(modules, installed)
        (installed / "extra").mkdir()
        for name in ("spl.ko", "zfs.ko"):
            shutil.copy(zfs / "module" / name, installed / "extra" / name)
        self.log.do("depmod", "-b", self.out / "root", modules.name)
        shutil.copy(self.work / "uml/usr/bin/linux.uml", self.out / "linux")


def main() -> int:
    if sys.argv[1:] == ["--why-not"]:
        reason = why_not()
        print(reason or "")
        return 1 if reason else 0
    try:
        print(ensure())
    except CannotBuild as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
