"""What the configurations of both connectors share: classes, converters, the login, and how text is written in them.

The values hold references to secrets (`${directory:...}`), never secrets.
"""

from dataclasses import dataclass
from urllib.parse import quote

from cdc_assets.model.pipeline import Connection

SOURCE_CLASS = "io.debezium.connector.postgresql.PostgresConnector"
SINK_CLASS = "io.debezium.connector.jdbc.JdbcSinkConnector"
JSON = "org.apache.kafka.connect.json.JsonConverter"
# A change of a key carries the old and the new one in headers. The worker's own converter guesses types from their
# text, and a sink stops at a guess without a schema: a bracket in a key was enough.
HEADERS = "org.apache.kafka.connect.storage.StringConverter"
LARGEST_MESSAGE_BYTES = 20 * 1024 * 1024
"""What the brokers of the embedded stack take, and every source connector's producer sends."""
CONVERTER_CLASS = "cdcassets.connect.ExactText"
CONVERTER_OFFER, CONVERTER_VERSION = "cdcassets.connect.ExactTextOffered", "3"
"""What a Connect cluster lists, and in which version, where its PostgreSQL connector finds the converter."""
LOGIN_CLASS = "cdcassets.connect.TargetLogin"
FITTING_CLASS = "cdcassets.connect.FittingValues"
# Values travel as text: without these a role's or database's own settings round floats without a word
# (extra_float_digits), end the source task (bytea_output, intervalstyle), or make another amount of money.
VALUE_SESSION = (
    "-c extra_float_digits=1 -c bytea_output=hex -c intervalstyle=postgres -c datestyle=ISO -c lc_monetary=C"
)


@dataclass(frozen=True, slots=True)
class ConnectorCredentials:
    """User and password as a configuration names them: references for a config provider, the user also in plain."""

    user: str
    password: str


def address(connection: Connection) -> tuple[str, int]:
    """Where Kafka Connect finds the server."""
    return connection.connect_host or connection.host, connection.connect_port or connection.port


def encoded(name: str) -> str:
    """Write a name for the settings of our classes, which know no other quoting."""
    return quote(name, safe="")
