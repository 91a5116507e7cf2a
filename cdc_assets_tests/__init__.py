"""The tests; real servers, started by the fixtures of conftest.py."""
