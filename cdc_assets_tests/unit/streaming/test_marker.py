"""What counts as progress of a marker that is on its way."""

from cdc_assets.model.marker import Marker
from cdc_assets.model.position import Lsn
from cdc_assets.stages.marker import MarkerView

AT = Lsn(1000)


def test_a_source_that_still_decodes_what_comes_before_the_marker_does_not_stand() -> None:
    on_its_way = MarkerView(Marker(AT), delivered=Lsn(100), ends={})
    assert on_its_way.is_being_decoded(Lsn(999))
    assert not on_its_way.is_being_decoded(AT), "what was read up to the marker has to be delivered"
    assert not on_its_way.is_being_decoded(None)


def test_a_source_that_decodes_does_not_speak_for_sinks_that_stand() -> None:
    delivered = MarkerView(Marker(AT, ends={"topic": 5}), delivered=AT, ends={"topic": 5}, behind=("sink",))
    assert not delivered.is_being_decoded(Lsn(999))
