import pytest

from incidents import notices, reach
from tests.cast import *  # noqa: F403


@pytest.fixture
def ledger(february_2024):
    """The incident of February 2024, its ledger of whom to inform filled."""
    reach.fill(february_2024)
    return february_2024


@pytest.fixture
def version(ledger):
    """The version in force of that incident."""
    return notices.latest(ledger)
