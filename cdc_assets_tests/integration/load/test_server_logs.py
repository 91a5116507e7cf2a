"""What an embedded PostgreSQL refuses does not stand in its log: neither its sentence nor the statement."""

import psycopg
import pytest

from cdc_assets_tests.services.servers import Servers

_PLANTED = "planted-l0g-55ce"


def test_a_refused_value_is_told_to_the_client_and_not_to_the_log(servers: Servers) -> None:
    cluster = servers.postgres(18)
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE TEMPORARY TABLE refusing (note text CHECK (note IS NULL))")
        with pytest.raises(psycopg.errors.InvalidTextRepresentation, match=_PLANTED):
            connection.execute(f"SELECT '{_PLANTED}'::integer")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("INSERT INTO refusing VALUES (%s)", (_PLANTED,))
        connection.execute("SELECT pg_reload_conf()")
    log = cluster.log.read_text()
    assert "database system is ready to accept connections" in log
    assert _PLANTED not in log
