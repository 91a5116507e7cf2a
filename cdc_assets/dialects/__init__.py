"""Pure SQL text and type rules of one database product each."""
