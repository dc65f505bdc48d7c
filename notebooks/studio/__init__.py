"""One page in the browser to try the systems at: ``python -m lib studio``."""
