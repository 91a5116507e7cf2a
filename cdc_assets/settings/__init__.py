"""The settings of the product: read once by every entry point, checked, and handed on."""

from cdc_assets.settings.addresses import is_loopback
from cdc_assets.settings.configuration_file import PREFIX
from cdc_assets.settings.settings import (
    EMBEDDED_DATABASE,
    EMBEDDED_USER,
    Settings,
    checkout,
    inherited_environment,
)

__all__ = [
    "EMBEDDED_DATABASE",
    "EMBEDDED_USER",
    "PREFIX",
    "Settings",
    "checkout",
    "inherited_environment",
    "is_loopback",
]
