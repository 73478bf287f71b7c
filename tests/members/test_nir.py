"""What people write is refused where a NIR may stand in it, and taken where none does."""

import pytest

from members import nir


@pytest.mark.parametrize(
    "text",
    [
        "1 85 05 78 006 084 36",
        "1850578006084",
        "1/85/05/78/006/084/36",
        "1,85,05,78,006,084,36",
        "1 85 05 2A 006 084 36",
        "185052b00608436",
        "Soins du 12/03/2024 : 1 85 05 78 006 084",
        "06 12 34 56 78, 1.85.05.78.006.084.36",
        "1 05 07 92 050 118 80",
        "105079205011880",
    ],
)
def test_a_number_is_seen_however_it_is_spelt(text):
    assert nir.stands_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "Mes téléphones : 01 23 45 67 89 - 06 12 34 56 78",
        "01 23 45 67 89\n06.12.34.56.78",
        "+33 6 12 34 56 78 ou 0033612345678",
        "Soins des 12.03.2024\n14.03.2024",
        "Du 01/02/2024 au 03/02/2024, 45,50 €",
        "Facture 2024-00123, 1 045,50 €",
        "",
    ],
)
def test_phone_numbers_days_and_amounts_are_none(text):
    assert not nir.stands_in(text)
