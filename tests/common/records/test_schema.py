"""Tests of the decoders of records."""

import signal
from typing import Annotated, Any

import msgspec
import pytest

from common.records.schema import decoder


class Interrupting:
    """An annotation that simulates Ctrl-C the next time it is hashed after it was armed."""

    is_armed = False

    def __hash__(self) -> int:
        if self.is_armed:
            self.is_armed = False
            signal.raise_signal(signal.SIGINT)
        return 1


def _annotated() -> tuple[Interrupting, Any]:
    """Return an armed annotation, and a type with a field that carries it."""
    annotation = Interrupting()
    kind = msgspec.defstruct("Annotated", [("field", Annotated[int, annotation])])
    annotation.is_armed = True
    return annotation, kind


def test_ctrl_c_is_not_lost_while_a_decoder_is_made() -> None:
    annotation, kind = _annotated()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        decoder(kind)
    assert not annotation.is_armed
    assert signal.getsignal(signal.SIGINT) is before
    assert decoder(kind).decode(b'{"field": 1}').field == 1


def test_msgspec_by_itself_drops_it() -> None:
    """If this fails, signals need not be held back any more."""
    annotation, kind = _annotated()
    msgspec.json.Decoder(kind)
    assert not annotation.is_armed
