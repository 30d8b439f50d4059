"""Which store keeps the files of a place."""

from g2p_batch.bucket import Bucket
from g2p_batch.locations import Location, Url
from g2p_batch.storage import Folder, Store


def store_at(place: Location) -> Store:
    """Return the store whose files lie below a place."""
    return Bucket(place) if isinstance(place, Url) else Folder(place)
