"""What systems other than Linux lack, taken away from a process that then trains a run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ELSEWHERE = """
import asyncio, builtins, ctypes, multiprocessing.util, os, signal, subprocess, sys, warnings
from multiprocessing import context

def refused(*_, **__):
    raise AssertionError("a process was started")

# Before all else, what of the standard library is another there: it may use what goes now.
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog"):
    sys.modules[name] = None
sys.modules["multiprocessing.forkserver"] = sys.modules["multiprocessing.popen_forkserver"] = None
del context._concrete_contexts["forkserver"]
multiprocessing.set_start_method("spawn")
for name in (
    "SIGHUP", "SIGALRM", "SIGUSR1", "SIGKILL", "SIGPIPE", "pthread_sigmask", "pthread_kill",
    "sigwait", "setitimer", "siginterrupt",
):
    delattr(signal, name)
for name in (
    "sched_getaffinity", "setpgrp", "setpgid", "getpgid", "setsid", "killpg", "O_DIRECTORY", "fork",
    "forkpty", "getuid", "geteuid", "mkfifo", "statvfs", "nice",
):
    delattr(os, name)
open_file, read_file, attribute = os.open, open, ctypes.CDLL.__getattr__

def opened(path, *rest, **names):
    if not isinstance(path, int) and os.path.isdir(path):
        raise PermissionError(13, "Permission denied", path)
    return open_file(path, *rest, **names)

def found(library, name):
    if name == "prctl":
        raise AttributeError(name)
    return attribute(library, name)

def read(path, *rest, **names):
    if str(path).startswith("/proc/"):
        raise FileNotFoundError(2, "No such file or directory", path)
    return read_file(path, *rest, **names)

os.open, ctypes.CDLL.__getattr__, builtins.open = opened, found, read
subprocess.Popen.__init__ = os.posix_spawn = os.posix_spawnp = os.system = refused
multiprocessing.process.BaseProcess.start = refused
import _posixsubprocess
_posixsubprocess.fork_exec = multiprocessing.util.spawnv_passfds = refused
warnings.filterwarnings("ignore", "only soft file lock")

from sda.__main__ import main
main(sys.argv[1:])
"""


def elsewhere(*words, folder):
    return subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_a_run_ends_well_where_there_is_nothing_that_only_linux_has_and_starts_no_process(tmp_path):
    words = ["data=digits", "stack.hidden=[9,8]", "pretrain.epochs=1", "finetune.epochs=1"]
    done = elsewhere(*words, "threads=auto", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (result,) = (tmp_path / "runs" / "digits").glob("*/result.json")
    assert json.loads(result.read_text())["status"] == "finished"
    for several in ([], ["-m", "seed=0,1"]):
        refused = elsewhere(*several, folder=tmp_path)
        assert refused.returncode == 1
        assert refused.stderr.splitlines()[-1].startswith("error: a sweep needs Linux or macOS")
