"""Dagster's view of the pipelines: assets, checks, jobs, sensors. Only this knows Dagster.

Nothing is decided here: a body reads what Dagster selected, calls one command of `wiring`, and tells Dagster how it
ended. Order and readiness are guarded by our own table states. No module here may postpone its annotations (PEP 563):
Dagster reads them while it loads.
"""
