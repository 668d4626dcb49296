"""For the Jupyter server: what a kernel says reaches the page at once; a closed lesson keeps its pictures.

Installed as `attention_core_server`, beside `attention_core_pictures`: both outside the package, so that a
server need not import torch.
"""

from attention_core_pictures import keep_pictures

__all__: list[str] = []


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "attention_core_server"}]


def _load_jupyter_server_extension(server) -> None:
    settings = server.web_app.settings
    settings["kernel_websocket_connection_class"] = at_once(settings["kernel_websocket_connection_class"])
    if {"contents_manager", "session_manager"} <= set(settings):
        keep_pictures(settings["contents_manager"], settings["session_manager"])


def at_once(connection: type) -> type:
    """The same class of kernel connection, with Nagle's rule off (TCP_NODELAY) from the moment it opens.

    A kernel answers one step of a slider with four small messages. By that rule the second waits on the
    socket until the first has been acknowledged, which a browser may put off for 40 ms: every other step
    of the hand felt it. Jupyter Server leaves the rule on, as Tornado does unless asked.
    """

    class AtOnce(connection):
        def connect(self):
            self.websocket_handler.set_nodelay(True)
            return super().connect()

    return AtOnce
