"""A Kafka Connect cluster as one that has not our converter is seen."""

from cdc_assets.adapters.kafka_connect import KafkaConnect
from cdc_assets.planning.connectors import CONVERTER_OFFER
from cdc_assets.ports.streaming import ConnectorPlugin


class PlainConnect(KafkaConnect):
    """Offers everything but the converter."""

    def plugins(self) -> tuple[ConnectorPlugin, ...]:
        """What others would see too."""
        return tuple(plugin for plugin in super().plugins() if plugin.class_name != CONVERTER_OFFER)
