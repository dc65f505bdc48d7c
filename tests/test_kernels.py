"""Kernels that are forked from a process that has imported what notebooks import."""

import contextlib
import os
import socket
import subprocess
import sys

import psutil
import pytest
from jupyter_client.manager import start_new_kernel

from lib.core import paths
from lib.workbook import kernels


@pytest.fixture(scope="module")
def server():
    with kernels.served():
        if not os.environ.get(kernels.ADDRESS):
            pytest.skip("this system forks no process")
        yield
    assert not os.environ.get(kernels.ADDRESS)


@contextlib.contextmanager
def kernel(**settings):
    manager, client = start_new_kernel(kernel_name="python3", **settings)
    try:
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def value(client, expression):
    """What an expression is in a kernel."""
    found = client.execute("", user_expressions={"it": expression})
    while (reply := client.get_shell_msg(timeout=30))["parent_header"]["msg_id"] != found:
        continue
    it = reply["content"]["user_expressions"]["it"]
    assert it["status"] == "ok", it
    return eval(it["data"]["text/plain"])


def gone(process, seconds=20):
    """Whether it ends in time; one that nobody has buried has ended, too."""
    psutil.wait_procs([process], timeout=seconds)
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def test_a_kernel_begins_with_what_notebooks_import_and_is_its_own_else(server, tmp_path):
    environment = os.environ | {"KLANGFARBE_TEST": "passed on"}
    with kernel(cwd=str(tmp_path), env=environment) as (manager, client):
        loaded = {"torch", "transformers", "lib.systems.compare", "seaborn", "numba"}
        found = value(client, f"{loaded} & {{*__import__('sys').modules}}")
        # numba: each kernel has a folder of its own for what it compiles
        assert found == loaded - {"numba"}
        assert value(client, "__import__('os').environ['KLANGFARBE_TEST']") == "passed on"
        assert value(client, "__import__('os').getcwd()") == str(tmp_path)
        assert value(client, "__name__") == "__main__"
        assert value(client, "__import__('sys').modules['__main__'].__dict__ is globals()")
        with kernel() as (_, other):
            one, two = (psutil.Process(value(each, "__import__('os').getpid()"))
                        for each in (client, other))
            assert one != two and one.parent() == two.parent()
        assert gone(two) and manager.is_alive()


def test_it_can_be_interrupted_and_is_seen_to_die(server):
    with kernel() as (manager, client):
        process = psutil.Process(value(client, "__import__('os').getpid()"))
        asked = client.execute("print('on', flush=True)\nwhile True: pass")
        while client.get_iopub_msg(timeout=30)["msg_type"] != "stream":
            continue
        manager.interrupt_kernel()
        while (reply := client.get_shell_msg(timeout=30))["parent_header"]["msg_id"] != asked:
            continue
        assert reply["content"]["ename"] == "KeyboardInterrupt" and manager.is_alive()
        process.kill()
        assert gone(process) and not manager.is_alive()


def test_pictures_go_where_a_notebook_shows_them(server):
    with kernel(cwd=str(paths.NOTEBOOKS)) as (_, client):
        asked = client.execute("import matplotlib.pyplot as plt; plt.plot([1, 2]);")
        kinds = []
        while not kinds or kinds[-1].get("execution_state") != "idle":
            message = client.get_iopub_msg(timeout=30)
            if message["parent_header"].get("msg_id") == asked:
                kinds.append(message["content"])
        assert any("image/png" in content.get("data", {}) for content in kinds)


def test_without_its_server_a_kernel_starts_as_ever(monkeypatch):
    monkeypatch.setenv(kernels.ADDRESS, "/nowhere")
    monkeypatch.setenv(kernels.PROVISIONER, kernels.NAME)
    with kernel() as (_, client):
        assert value(client, "'torch' in __import__('sys').modules") is False


def test_who_hangs_up_harms_nobody(server):
    for said in (b"", b"{", b"no JSON at all"):
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(os.environ[kernels.ADDRESS])
            line.sendall(said)
    with kernel() as (manager, _):
        assert isinstance(manager.provisioner.process, kernels.Fork)


@pytest.mark.parametrize("asks", ["", "start_new_kernel(kernel_name='python3')"])
def test_its_server_ends_when_the_process_that_started_it_was_killed(asks):
    code = ("import sys\nfrom jupyter_client.manager import start_new_kernel\n"
            f"from lib.workbook import kernels\nwith kernels.served():\n    {asks or 'pass'}\n"
            "    print(1, flush=True)\n    sys.stdin.read()")
    starter = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, cwd=paths.ROOT)
    assert starter.stdout.read(1) == b"1"
    left = psutil.Process(starter.pid).children(recursive=True)
    assert len(left) == (2 if asks else 1) or not sys.platform.startswith("linux")
    starter.kill()
    starter.wait()
    assert all(gone(process, 15) for process in left)


def test_kernels_end_with_the_block():
    with contextlib.ExitStack() as block:
        block.enter_context(kernels.served())
        if not os.environ.get(kernels.ADDRESS):
            pytest.skip("this system forks no process")
        manager, client = start_new_kernel(kernel_name="python3")
        process = psutil.Process(value(client, "__import__('os').getpid()"))
        client.stop_channels()
    assert gone(process) and not manager.is_alive()
