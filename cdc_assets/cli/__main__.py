"""`python -m cdc_assets.cli`: what `./cdc` runs."""

from cdc_assets.cli import SCRIPT, main

main(SCRIPT)
