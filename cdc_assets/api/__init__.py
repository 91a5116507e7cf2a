"""The HTTP API: `python -m uvicorn cdc_assets.api:app`. Routes only; the operations are those of `wiring`."""

from cdc_assets.api.application import create_app
from cdc_assets.wiring import load_settings

app = create_app(load_settings())
