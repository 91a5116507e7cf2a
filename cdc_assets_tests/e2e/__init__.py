"""What users do with a whole installation: `./cdc`, files, the HTTP API."""
