"""Kafka Connect over its REST API."""

from cdc_assets.adapters.kafka_connect.cluster import KafkaConnect

__all__ = ["KafkaConnect"]
