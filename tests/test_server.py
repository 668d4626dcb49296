"""The Jupyter server passes on what a kernel says at once: TCP_NODELAY on the socket of each page."""

import asyncio
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import attention_core_server
import pytest
from lab import running_lab
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect


class Connection:
    """What Jupyter makes for each page that listens to a kernel, as far as it matters here."""

    def __init__(self, websocket_handler):
        self.websocket_handler = websocket_handler

    def connect(self):
        sock = self.websocket_handler.ws_connection.stream.socket
        self.websocket_handler.write_message(str(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
        return "connected"


class Page(WebSocketHandler):
    def open(self):
        assert self.settings["kernel_websocket_connection_class"](self).connect() == "connected"


async def waits(app: Application) -> bool:
    """Whether the socket of a page that connects waits for acknowledgements."""
    server = HTTPServer(app)
    (bound,) = bind_sockets(0, "127.0.0.1")
    server.add_socket(bound)
    page = await websocket_connect(f"ws://127.0.0.1:{bound.getsockname()[1]}/")
    said = await page.read_message()
    page.close()
    server.stop()
    return said == "0"


def test_the_socket_of_a_page_waits_until_the_extension_is_loaded():
    app = Application([("/", Page)], kernel_websocket_connection_class=Connection)
    with ThreadPoolExecutor(1) as apart:  # in this thread a browser test may have left a loop running
        assert apart.submit(asyncio.run, waits(app)).result(60)
        attention_core_server._load_jupyter_server_extension(SimpleNamespace(web_app=app))
        assert not apart.submit(asyncio.run, waits(app)).result(60)


def test_what_another_extension_chose_is_kept():
    assert issubclass(attention_core_server.at_once(Connection), Connection)


def test_a_server_does_not_import_torch_for_it():
    code = "import sys, attention_core_server; print({'torch', 'attention_core'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.browser  # no browser, but JupyterLab
@pytest.mark.timeout(120)
def test_jupyterlab_loads_it_unasked(tmp_path):
    with running_lab(tmp_path):
        log = (tmp_path / "lab.log").read_text("utf-8")
    assert "attention_core_server | extension was successfully loaded" in log
