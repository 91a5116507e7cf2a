"""What the command line derives and shows."""
