"""Pipeline and connections files."""
