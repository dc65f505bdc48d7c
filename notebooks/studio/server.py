"""Serves a page made of Gradio's components: to this machine alone, or to others by a password;
nothing is fetched from elsewhere, and what is uploaded lies in a folder that is deleted. Source:
ours."""

import ipaddress
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.core import paths
from lib.core.errors import KlangfarbeError

PASSWORD, USER = "KLANGFARBE_PASSWORD", "klangfarbe"
GIVEN = "given"  # the folder of what is uploaded and made
UPLOAD = "20mb"
KEPT_S = int(os.environ.get("KLANGFARBE_KEPT_S", "1800"))  # seconds until an upload is deleted
# what Gradio's theme has no name for and axe finds too faint
CSS = """time, .controls span, .icon {color: var(--body-text-color-subdued) !important}
.dark {--color-accent: var(--primary-400)}"""
# Gradio's page is made of inline scripts and styles; all else comes from this server
POLICY = ("default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' "
          "'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; font-src "
          "'self' data:; worker-src 'self' blob:; object-src 'none'; frame-ancestors 'none'")
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer",
           "X-Content-Type-Options": "nosniff"}


def serve(build: Callable[[], Any], host: str, port: int, *, ask: bool = True) -> int:
    """Serves ``build()``, Gradio's Blocks, until it is interrupted; on another address than this
    machine's own the page asks for a password if `ask`, $KLANGFARBE_PASSWORD or a new one."""
    import uvicorn  # slow, as gradio is: --help loads neither

    bound = listen(host, port)
    with tempfile.TemporaryDirectory(prefix="klangfarbe-") as folder:
        os.chdir(folder)  # what a browser is told of a file begins here: see `app`
        os.environ |= {"GRADIO_TEMP_DIR": str(Path.cwd() / GIVEN),
                       "GRADIO_ANALYTICS_ENABLED": "False"}
        Path(GIVEN).mkdir()
        password = os.environ.get(PASSWORD) or secrets.token_urlsafe(9)
        closed = ask and not is_own(host)
        application = app(build(), password if closed else "")
        print(f"open http://{host}:{bound.getsockname()[1]} · stop with Ctrl-C"
              + (f"\nname {USER}, password {password}" if closed else ""), flush=True)
        sys.stdin = open(os.devnull)  # noqa: SIM115, nobody is asked here
        uvicorn.Server(uvicorn.Config(application, log_level="warning",
                                      timeout_graceful_shutdown=2)).run([bound])
        os.chdir(Path(__file__).parent)  # no folder that is left can be deleted
    return 0


def app(blocks: Any, password: str = "") -> Any:
    """An ASGI application of Gradio's Blocks, behind a password unless it is empty. Gradio tells a
    browser where its files lie; here these names begin at the present folder."""
    import gradio
    from fastapi import FastAPI
    from gradio import themes

    whole = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    known = [f"{folder}/".encode() for folder in (Path.cwd(), paths.ROOT)]
    # as long, so that a body keeps its length, and says nothing
    relative = {place: (b"./" * len(place))[: len(place) - 1] + b"/" for place in known}

    def told(part: bytes) -> bytes:
        for place, instead in relative.items():
            part = part.replace(place, instead)
        return part

    @whole.middleware("http")
    async def untold(request, call_next):
        # unpacked, a body can be read
        request.scope["headers"] = [(name, value) for name, value in request.scope["headers"]
                                    if name != b"accept-encoding"]
        answer = await call_next(request)
        answer.headers.update(HEADERS)
        if not answer.headers.get("content-type", "").startswith(("image", "audio", "video")):
            whole_body = answer.body_iterator
            async def parts():
                async for part in whole_body:
                    yield told(part.encode() if isinstance(part, str) else bytes(part))
            answer.body_iterator = parts()
        return answer

    # Gradio's own colours, but for those that are too faint on their ground to be read by all
    theme = themes.Default(primary_hue="indigo").set(
        block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300",
        body_text_color_subdued="*neutral_600", body_text_color_subdued_dark="*neutral_300",
        button_primary_background_fill="*primary_700", color_accent="*primary_700",
        button_primary_background_fill_dark="*primary_700", color_accent_soft="*primary_100",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_800")
    return gradio.mount_gradio_app(
        whole, blocks, "/", theme=theme, css=CSS, max_file_size=UPLOAD, show_error=True,
        auth=(USER, password) if password else None, ssr_mode=False, footer_links=[],
        enable_monitoring=False)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; ``port`` 0 takes a free one."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if os.name != "nt":  # there this would share a port that is in use
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen()
    except (OSError, OverflowError) as error:
        bound.close()
        raise KlangfarbeError("an address and a port that are free here",
                              f"{host}:{port}: {getattr(error, 'strerror', None) or error}",
                              "name another with --port, or stop what listens there") from error
    return bound


def is_own(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
