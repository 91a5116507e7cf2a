"""The only code that talks to databases, Kafka, Kafka Connect and files; chosen by `cdc_assets.wiring`."""
