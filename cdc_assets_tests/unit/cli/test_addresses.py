"""What `up` tells a user to open."""

from pathlib import Path

from cdc_assets.cli.stack import addresses
from cdc_assets.settings import Settings


def test_both_pages_are_named_as_a_browser_takes_them(tmp_path: Path) -> None:
    told = "\n".join(addresses(Settings.load(home=tmp_path, ui_port=3000, api_port=8000)))
    assert "Dagster          http://127.0.0.1:3000" in told
    assert "Pipelines' page  http://127.0.0.1:8000/\n" in told
    assert "HTTP API         http://127.0.0.1:8000/docs" in told
