"""What a page that must work without a network would fetch from elsewhere."""

import re

_ASKING = re.compile(r"""(?:\bsrc=|<link[^>]* href=|@import |\burl\()(?:url\()?["']?(?:https?:)?//""")


def asks_of_hosts(page: str) -> list[str]:
    """How each thing that comes from a host is named, in HTML or a stylesheet; links to follow are none."""
    return _ASKING.findall(page)
