"""What a page would fetch from a host is found, and what a reader may follow is not taken for it."""

import pytest
from offline import asks_of_hosts


@pytest.mark.parametrize(
    "page",
    [
        '<img src="https://a.example/b.png">',
        "<script src=//a.example/b.js></script>",
        '<link rel="stylesheet" href="http://a.example/b.css">',
        '@import "https://a.example/b.css";',
        '@import url("https://a.example/b.css");',
        "background: url(//a.example/b.png)",
    ],
)
def test_what_comes_from_a_host_is_found(page):
    assert len(asks_of_hosts(page)) == 1


@pytest.mark.parametrize(
    "page",
    ['<a href="https://a.example">', '<img src="b.png">', "url(data:image/png;base64,ab//cd)", "// src"],
)
def test_a_link_and_what_is_beside_the_page_are_not(page):
    assert asks_of_hosts(page) == []
