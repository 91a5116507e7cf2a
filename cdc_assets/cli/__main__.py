"""`python -m cdc_assets.cli`: the same as `cdc-assets`."""

from cdc_assets.cli import main

main()
