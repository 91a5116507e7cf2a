"""Types, through the whole stack: what the registry promises is what arrives."""
