"""For the Jupyter server: what a kernel says reaches the page at once. Installed as `attention_core_server`.

A kernel answers one step of a slider with four small messages. By Nagle's rule the second waits on the
socket until the first has been acknowledged, which a browser may put off for 40 ms: every other step of the
hand felt it. Jupyter Server leaves that rule on, as Tornado does unless asked.

It stands outside the package, so that a server need not import torch.
"""

__all__: list[str] = []


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "attention_core_server"}]


def _load_jupyter_server_extension(server) -> None:
    settings = server.web_app.settings
    settings["kernel_websocket_connection_class"] = at_once(settings["kernel_websocket_connection_class"])


def at_once(connection: type) -> type:
    """The same class of kernel connection, with Nagle's rule off (TCP_NODELAY) from the moment it opens."""

    class AtOnce(connection):
        def connect(self):
            self.websocket_handler.set_nodelay(True)
            return super().connect()

    return AtOnce
