"""Copies PostgreSQL tables and keeps the copies equal: full load, then change data capture, run by Dagster."""
