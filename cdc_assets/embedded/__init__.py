"""The servers of one machine: PostgreSQL, Kafka, Kafka Connect and Dagster: fetched, set up, started and stopped."""
