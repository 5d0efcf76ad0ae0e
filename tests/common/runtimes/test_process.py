"""The process runtime takes no quota."""

import pytest

from common.catalog.sizes import Size
from common.errors import UsageError
from common.runtimes.process import refuse_quota


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (Size(vcpu=0.5), "VCPU=0.5 needs RUNTIME=docker; RUNTIME=process takes whole vCPUs only."),
        (Size(vcpu=1.5), "VCPU=1.5 needs RUNTIME=docker; RUNTIME=process takes whole vCPUs only."),
    ],
)
def test_a_quota_is_refused_by_the_variable_that_asks_for_it(size: Size, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        refuse_quota(size)
    assert str(refusal.value) == message


def test_whole_vcpus_are_no_quota() -> None:
    refuse_quota(Size(vcpu=2))
