"""Where the shop keeps and sells its goods, and the towns its customers live in.

Source: coordinates of the towns' centres, rounded to hundredths of a degree.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PLACES", "STORES", "Place"]


@dataclass(frozen=True)
class Place:
    """One town with a warehouse or a store; its number is its place in `PLACES`.

    Units: degrees north and east.
    """

    town: str
    country: str
    language: str
    latitude: float
    longitude: float
    is_store: bool = False


PLACES = (
    Place("Leipzig", "DE", "de", 51.34, 12.37),
    Place("Rotterdam", "NL", "en", 51.92, 4.48),
    Place("Lyon", "FR", "fr", 45.76, 4.84),
    Place("Zaragoza", "ES", "es", 41.65, -0.89),
    Place("Birmingham", "GB", "en", 52.49, -1.89),
    Place("Milan", "IT", "en", 45.46, 9.19),
    Place("Berlin", "DE", "de", 52.52, 13.41, is_store=True),
    Place("Hamburg", "DE", "de", 53.55, 9.99, is_store=True),
    Place("Munich", "DE", "de", 48.14, 11.58, is_store=True),
    Place("Vienna", "AT", "de", 48.21, 16.37, is_store=True),
    Place("Paris", "FR", "fr", 48.86, 2.35, is_store=True),
    Place("Brussels", "BE", "fr", 50.85, 4.35, is_store=True),
    Place("Marseille", "FR", "fr", 43.30, 5.37, is_store=True),
    Place("Madrid", "ES", "es", 40.42, -3.70, is_store=True),
    Place("Barcelona", "ES", "es", 41.39, 2.17, is_store=True),
    Place("Seville", "ES", "es", 37.39, -5.98, is_store=True),
    Place("London", "GB", "en", 51.51, -0.13, is_store=True),
    Place("Dublin", "IE", "en", 53.35, -6.26, is_store=True),
    Place("Edinburgh", "GB", "en", 55.95, -3.19, is_store=True),
    Place("Amsterdam", "NL", "en", 52.37, 4.90, is_store=True),
)
STORES = tuple(number for number, place in enumerate(PLACES) if place.is_store)
