"""Pages to try the systems at, in a browser."""
