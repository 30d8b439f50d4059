"""Where files lie, and how they appear whole or not at all."""

from typing import TYPE_CHECKING

from g2p_batch.storage.locations import Location, Url

if TYPE_CHECKING:
    from g2p_batch.storage.store import Store


def store_at(place: Location) -> "Store":
    """Return the store whose files lie below a place."""
    if isinstance(place, Url):
        from g2p_batch.storage.object_store import ObjectStore

        return ObjectStore(place)
    from g2p_batch.storage.folder import Folder

    return Folder(place)
