"""The words of the domain as types: standard library only, no I/O."""
