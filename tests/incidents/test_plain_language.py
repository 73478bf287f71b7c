"""Hints to whoever writes: what is flagged, and what is left in peace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.jargon import ALARMING, JARGON
from incidents.plain_language import SHOWN, count_words, hints
from tests.test_words import words as words_of_our_pages


def test_a_sentence_of_twenty_words_is_left_in_peace_and_one_more_is_not():
    assert hints("mot " * 19 + "fin.") == []
    assert hints("mot " * 20 + "fin.") == [
        "Phrase de 21 mots : « mot mot mot mot mot… ». Coupez-la en deux."
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Votre NIR est exposé.", True),
        ("La nir du roi.", False),
        ("Votre NIR (numéro de sécurité sociale) est exposé.", False),
        ("Le NIR, ou numéro de sécurité sociale, est exposé.", False),
        ("Nos sous-traitants sont prévenus.", True),
        ("Le SI fonctionne.", True),
        ("Si vous doutez, appelez.", False),
        ("Vos données sont sûres.", False),
    ],
)
def test_a_word_of_the_trade_is_flagged_unless_it_is_explained(text, found):
    assert bool(hints(text)) is found


@pytest.mark.parametrize(
    "text",
    [
        "Vos données ont été consultées par des inconnus.",
        "Le fichier sera rapidement effacé par Viamedis.",
        "Un hacker a pris la liste.",
        "Changez de mot de passe !",
    ],
)
def test_passive_and_alarming_turns_are_flagged(text):
    assert len(hints(text)) == 1


def test_the_lists_are_of_words_each_with_another():
    assert all(plain and plain != word for word, plain in JARGON.items())
    assert len(set(ALARMING)) == len(ALARMING)


@given(st.text(max_size=300))
def test_any_text_gets_few_hints_and_words_count_as_in_our_pages(text):
    assert len(hints(text)) <= SHOWN
    plain = text.replace("{", "").replace("%", "")
    assert count_words(plain) == words_of_our_pages(plain)
