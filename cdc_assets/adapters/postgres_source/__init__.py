"""PostgreSQL as a source: implements `ports/source.py` with psycopg."""

from cdc_assets.adapters.postgres_source.database import PostgresSource

__all__ = ["PostgresSource"]
