"""Measures, judges and statistics; each says what it estimates and what it cannot see."""
