"""What the stages need from the outside, as protocols: one module a neighbour."""
