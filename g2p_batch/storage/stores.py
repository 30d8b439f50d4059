"""Which store keeps the files of a place."""

from g2p_batch.storage.locations import Location, Url
from g2p_batch.storage.object_store import ObjectStore
from g2p_batch.storage.store import Folder, Store


def store_at(place: Location) -> Store:
    """Return the store whose files lie below a place."""
    return ObjectStore(place) if isinstance(place, Url) else Folder(place)
