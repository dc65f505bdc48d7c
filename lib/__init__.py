"""Klangfarbe: four published systems that carry feeling between painting and music. The notebooks
tell, this package does."""

__version__ = "0.1.0"
