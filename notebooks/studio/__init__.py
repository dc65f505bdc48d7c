"""Pages in the browser, over lib as the notebooks are: one to try the systems at (``python -m lib
studio``), one to ask listeners (``listen``)."""
