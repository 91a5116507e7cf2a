"""PostgreSQL as source and as target: implements `ports/source.py` and `ports/target.py` with psycopg.

One package, because both sides share their sessions, the catalog's reading and the taking of raw COPY rows.
"""

from cdc_assets.adapters.postgres.source import PostgresSource
from cdc_assets.adapters.postgres.target import PostgresTarget

__all__ = ["PostgresSource", "PostgresTarget"]
