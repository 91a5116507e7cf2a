"""What Dagster loads: the pipelines of this installation's files."""

from cdc_assets import wiring
from cdc_assets.orchestration.code_location import code_location

settings = wiring.load_settings()
defs = code_location(settings, wiring.known_definitions(settings), wiring, stack=wiring.current_stack())
