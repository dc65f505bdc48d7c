"""Adapters: one file a real collection, each with its data card."""
