"""Composition root: which adapters stand behind the ports, and the operations that entry points call."""
