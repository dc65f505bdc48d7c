"""Kernels that begin where most notebooks do. One process imports, once, what they import; each
kernel is a fork of it, which starts in half a second in place of eight and shares that memory.
Where there is no fork or that process is gone (a cluster's job), kernels start as ever."""

import atexit
import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module, metadata
from typing import Any

import psutil
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from lib.core import paths

ADDRESS = "KLANGFARBE_KERNELS"  # names the socket
PROVISIONER, NAME = "JUPYTER_DEFAULT_PROVISIONER_NAME", "klangfarbe-forked"
# Not numba: each kernel has a folder of its own for what it compiles, named before. Nor what shows
# pictures in notebooks: it asks for the kernel when it is imported.
IMPORTED = ("ipykernel.kernelapp", "ipywidgets", "seaborn", "lib.recipes", "lib.systems.compare",
            "transformers.models.musicgen.modeling_musicgen")


@contextlib.contextmanager
def served() -> Iterator[None]:
    """Has each kernel that this process, or one that it starts, asks for in the block forked."""
    if not sys.platform.startswith("linux") or not metadata.entry_points(name=NAME):
        yield
        return
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, contextlib.ExitStack() as after:
        address = f"{folder}/kernels"  # which may have 107 bytes: hence no $TMPDIR
        with socket.socket(socket.AF_UNIX) as ear:  # here alone it would answer for a dead server
            ear.bind(address)
            ear.listen(64)
            words = [sys.executable, "-m", __name__, str(ear.fileno()), str(os.getpid())]
            own = {"MPLBACKEND": "module://matplotlib_inline.backend_inline",  # as kernels have it
                   "OMP_NUM_THREADS": "1", "PYTHONPATH": str(paths.ROOT)}
            server = subprocess.Popen(words, cwd=paths.ROOT, pass_fds=[ear.fileno()],
                                      env=os.environ | own)
        after.callback(server.wait)
        after.callback(server.kill)
        after.callback(os.environ.update, {
            ADDRESS: os.environ.get(ADDRESS, ""),
            PROVISIONER: os.environ.get(PROVISIONER, "local-provisioner")})
        os.environ |= {ADDRESS: address, PROVISIONER: NAME}
        yield


class Fork(psutil.Process):
    """A kernel, as ``subprocess.Popen`` would show it to Jupyter's client."""
    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        """``None`` while it runs; what it ended with only its server knows."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return None if self.status() != psutil.STATUS_ZOMBIE else 0
        return 0

    def send_signal(self, sig: int) -> None:
        """Nothing for one that has ended."""
        with contextlib.suppress(psutil.NoSuchProcess):
            super().send_signal(sig)


class Forked(LocalProvisioner):
    """Jupyter's way to a kernel on this machine, which asks the server first."""
    async def launch_kernel(self, cmd: list[str], **kwargs: Any):
        """The kernel's connection info."""
        pid = _ask(cmd, kwargs)
        if not pid:
            return await super().launch_kernel(cmd, **kwargs)
        self.process, self.pid, self.pgid = Fork(pid), pid, pid
        self.cwd = kwargs.get("cwd") or os.getcwd()
        return self.connection_info


def _ask(command: list[str], kwargs: dict) -> int:
    """The number of a kernel that was forked for a command; 0: there is no server."""
    argv = [*command[3:], f"--IPKernelApp.parent_handle={os.getpid()}"]
    wanted = {"argv": argv, "env": kwargs["env"], "cwd": str(kwargs.get("cwd") or os.getcwd())}
    if not (address := os.environ.get(ADDRESS)) or command[1:3] != ["-m", "ipykernel_launcher"]:
        return 0
    with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX) as line:
        line.connect(address)
        socket.send_fds(line, [b" "], [1, 2])  # a file's number goes with a byte at least
        line.sendall(json.dumps(wanted).encode())
        line.shutdown(socket.SHUT_WR)
        return int(line.recv(16))
    return 0


def serve(ear: socket.socket, parent: int) -> None:
    """Imports, then forks a kernel for each that asks, until its parent process ends."""
    signal.signal(signal.SIGALRM, lambda *_: os.getppid() == parent or os._exit(1))
    signal.setitimer(signal.ITIMER_REAL, 0.5, 0.5)  # while it imports, too; no fork inherits it
    for name in IMPORTED:
        import_module(name)
    gc.freeze()  # what all share: no fork looks through it, and so copies it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # leaves no zombies
    while True:
        line, _ = ear.accept()
        with line, contextlib.suppress(OSError):  # who asked may have been killed
            content, files, _, _ = socket.recv_fds(line, 2**16, 2)
            while more := line.recv(2**16):
                content += more
            if not (pid := os.fork()):
                ear.close()
                line.close()
                _become(json.loads(content), files)
            for file in files:
                os.close(file)
            line.sendall(str(pid).encode())


def _become(wanted: dict, files: list[int]) -> None:
    """Makes this fork what a new process of that command would be, and runs the kernel."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGCHLD, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    for given, own in zip((os.open(os.devnull, os.O_RDONLY), *files), range(3), strict=True):
        os.dup2(given, own)
        os.close(given)
    os.environ.clear()
    os.environ.update(wanted["env"])
    os.chdir(wanted["cwd"])
    from ipykernel import kernelapp  # imported already
    with contextlib.suppress(SystemExit):
        kernelapp.launch_new_instance(argv=wanted["argv"])
    atexit._run_exitfuncs()
    os._exit(0)  # what the server imported need not be taken apart once more


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
