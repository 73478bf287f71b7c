"""The French that people read: short sentences. (docs/architecture.md, « Pages and style »)"""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.test_habits import PACKAGES, at, files

LONGEST = 20
GETTEXT = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy"}
WITH_CONTEXT = {"pgettext", "pgettext_lazy"}  # their first argument is for translators


def in_templates() -> Iterator[tuple[str, str]]:
    """(place, text) of everything that a template gives to translate."""
    for path in files("*.html", "*.txt", under=("templates",)):
        source = path.read_text(encoding="utf-8")
        for block in re.finditer(
            r"""{%\s*trans(?:late)?\s+(?:"([^"]*)"|'([^']*)')"""
            r"|{%\s*blocktrans(?:late)?\b.*?%}(.*?){%\s*endblocktrans(?:late)?\s*%}",
            source,
            re.S,
        ):
            text = next(part for part in block.groups() if part is not None)
            place = at(path, source.count("\n", 0, block.start()) + 1)
            for form in re.split(r"{%\s*plural\s*%}", text):
                yield place, re.sub(r"<[^>]+>", "", form)


def in_python() -> Iterator[tuple[str, str]]:
    """(place, text) of every string that Python gives to gettext, whatever name it imported it under."""
    for path in files("*.py", under=PACKAGES):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id in GETTEXT:
                told = node.args[1:] if node.func.id in WITH_CONTEXT else node.args
                for argument in told:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield at(path, node.lineno), argument.value


def texts() -> list[tuple[str, str]]:
    return [*in_templates(), *in_python()]


def sentences(text: str) -> list[str]:
    """A sentence ends with its mark or with its paragraph; a colon does not end it."""
    return [one for one in re.split(r"(?<=[.!?…])\s+|\n\s*\n", text) if one.strip()]


def words(sentence: str) -> int:
    """What is said between spaces: a placeholder is one word, a lone sign none."""
    plain = re.sub(r"{{.*?}}|{%.*?%}|%\(\w+\)[sd]", "X", sentence)
    return sum(any(sign.isalnum() for sign in part) for part in plain.split())


@pytest.mark.parametrize(
    ("sentence", "count"),
    [
        ("Vous recopiez ce code\u00a0: votre espace s'ouvre.", 7),
        ("Version {{ number }}, publiée le", 4),
        ("Trop d'essais.", 2),
        ("Réessayez %(from_hour)s.", 2),
        ("un " * 21 + "mot.", 22),
    ],
)
def test_words_are_counted_as_people_read_them(sentence, count):
    assert words(sentence) == count


def test_sentences_end_where_people_pause():
    assert len(sentences("Un. Deux ! Trois ?\n\nQuatre : toujours quatre")) == 4


def test_templates_and_python_are_both_read():
    found = {text for _place, text in texts()}
    assert "Où sont mes données" in found
    assert "Ce code est valable jusqu'à {{ hour }}." in found
    assert "Trop d'essais. Réessayez %(from_hour)s." in found
    assert len(found) > 400


def test_no_sentence_is_longer_than_twenty_words():
    wrong = [
        f"{place}: {sentence.strip()}"
        for place, text in texts()
        for sentence in sentences(text)
        if words(sentence) > LONGEST
    ]
    assert not wrong, "\n".join(wrong)


def test_no_page_cuts_the_word_e_mail():
    """Its hyphen is U+2011 in pages; texts and e-mails keep the plain one."""
    wrong = [
        f"{place}: {text}"
        for place, text in in_templates()
        if ".html:" in place and re.search(r"\be-mail", text, re.I)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_word_of_a_page_passes_through_gettext():
    """Text that a template writes outside of it would escape these rules."""
    wrong = []
    for path in files("*.html", under=("templates",)):
        source = path.read_text(encoding="utf-8")
        for kind in ("comment", "blocktranslate"):
            source = re.sub(rf"{{%\s*{kind}\b.*?{{%\s*end{kind}\s*%}}", "", source, flags=re.S)
        source = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}|<!--.*?-->", "", source, flags=re.S)
        said = re.sub(r"<[^>]*>|&\w+;", " ", source, flags=re.S)
        wrong += [f"{at(path)}: {word}" for word in re.findall(r"[^\W\d_]{3,}", said)]
    assert not wrong, "\n".join(wrong)


def test_no_line_of_a_page_begins_with_a_lone_sign():
    """French sets a space before ? ! ; : and within « »: one that never breaks."""
    alone = re.compile(r" [?!;:»](?=[\s.\"<,)]|$)|« ")
    assert not [f"{place} {text}" for place, text in in_templates() if alone.search(text)]
