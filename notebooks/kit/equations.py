"""Equations as MathML, which browsers draw by themselves: no script, no font is fetched."""

import re

from docutils.utils.math.latex2mathml import tex2mathml  # provisional there, pinned by the lock

# What docutils' converter does not know; MathML's brackets grow by themselves.
UNKNOWN = {"dots": r"\ldots", "iff": r"\Leftrightarrow", "big": "", "Big": ""}


def draw(tex: str, block: bool = False) -> str:
    """TeX → one line with a <math> element, which stands by itself if it is a block."""
    tex = re.sub(r"\\(dots|iff|[bB]ig)(?![A-Za-z])", lambda found: UNKNOWN[found[1]], tex)
    return " ".join(tex2mathml(tex, as_block=block).split())
