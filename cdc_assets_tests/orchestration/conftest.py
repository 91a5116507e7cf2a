"""The Dagster layer in this process: real Dagster, its storage in memory, the commands faked."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from cdc_assets.settings import Settings
from cdc_assets_tests.orchestration.fake_commands import fake_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return fake_settings(tmp_path)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made
