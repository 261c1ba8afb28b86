"""Ids that belong to an owner."""

from __future__ import annotations

from uuid import UUID, uuid4

from keyway_backend.platform.ids import is_id_of, new_id, new_id_of


class TestIdsOfAnOwner:
    """What ties a value row to its secret."""

    def test_are_of_version_7_and_all_different(self) -> None:
        """Ten thousand of one moment, as a push could need them many times over."""
        owner = uuid4()
        made = [new_id_of(owner) for _ in range(10_000)]
        assert len(set(made)) == len(made)
        assert {(one.version, one.variant) for one in made} == {(7, UUID(int=new_id().int).variant)}

    def test_are_its_own_and_nobody_elses(self) -> None:
        """Neither another owner nor an id of another kind."""
        owners = [uuid4() for _ in range(100)]
        for owner in owners:
            made = new_id_of(owner)
            assert [other for other in owners if is_id_of(other, made)] == [owner]
            assert not is_id_of(owner, new_id())

    def test_sort_by_the_time_they_were_made(self) -> None:
        """The mark stands at the end."""
        first, second = new_id_of(uuid4()), new_id()
        assert first.int >> 80 <= second.int >> 80
