"""Serving a translator: the web page and its JSON API."""
