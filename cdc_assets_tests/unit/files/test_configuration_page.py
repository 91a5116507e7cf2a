"""The page that users read names every setting, key and check there is."""

import re

from cdc_assets.settings import checkout
from cdc_assets.stages import preflight
from cdc_assets_tests.unit.files.configuration_page import CHECKS, PAGE, page


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m cdc_assets_tests.unit.files.configuration_page"


def test_what_the_script_reads_before_python_runs_is_on_the_page_too() -> None:
    read = set(re.findall(r"\$\{?(CDC_[A-Z_]+)", (checkout() / "cdc").read_text(encoding="utf-8")))
    assert read
    assert read <= set(re.findall(r"^\| `(CDC_[A-Z_]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_check_is_on_the_page_and_none_besides() -> None:
    (folder,) = preflight.__path__
    named = {"definition_valid", "alerts_valid"}
    for module in sorted(PAGE.parents[1].joinpath(folder).glob("*.py")):
        text = module.read_text(encoding="utf-8")
        named |= set(re.findall(r'findings\.(?:passed|fail|warn|pass_unless_found)\(\s*"(\w+)"', text))
        for kind in re.findall(r'name = f"\{side\}_(\w+)"', text):
            named |= {f"source_{kind}", f"target_{kind}"}
        named |= set(re.findall(r'^_CHECK = "(\w+)"', text, re.MULTILINE))
    assert named == set(CHECKS)
