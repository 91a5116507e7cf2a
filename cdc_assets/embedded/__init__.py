"""The servers of one machine: PostgreSQL, Kafka, Kafka Connect and Dagster: fetched, set up, started and stopped."""

import truststore

# Before anything imports requests, which binds its certificates then: a company's own is only in the system's store.
truststore.inject_into_ssl()
