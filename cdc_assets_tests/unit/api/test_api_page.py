"""The page that users read names every path there is."""

from cdc_assets_tests.unit.api.api_page import PAGE, render


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "write it with python -m cdc_assets_tests.unit.api.api_page"
