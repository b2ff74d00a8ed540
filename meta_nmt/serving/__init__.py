"""Serving a translator: the web page and its JSON API."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")  # names of this machine for itself
