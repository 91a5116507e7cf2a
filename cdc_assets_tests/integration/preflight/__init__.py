"""Checks against real servers."""
