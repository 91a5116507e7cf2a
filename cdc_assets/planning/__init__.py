"""Pure decisions: each returns a value that a stage carries out or a verb prints."""
