from contextlib import nullcontext

import pytest

WELL_MADE = """<!doctype html><html lang="fr"><head><title>Essai</title></head>
<body><main><h1>Essai</h1><p>Bonjour</p></main></body></html>"""


def test_a_page_is_rendered_in_french(page):
    page.set_content(WELL_MADE)
    assert page.evaluate("navigator.language") == "fr-FR"


def test_axe_finds_nothing_on_a_well_made_page(page, axe):
    page.set_content(WELL_MADE)
    axe(page)


def test_axe_names_what_is_broken(page, axe):
    page.set_content(WELL_MADE.replace("<p>", "<img src='x'><p>"))
    with pytest.raises(AssertionError, match="image-alt"):
        axe(page)


@pytest.mark.parametrize("broken", [False, True])
def test_a_page_without_javascript_is_checked_too(new_page, axe, broken):
    html = WELL_MADE + "<script>document.title = 'non'</script>"
    html = html.replace("<p>", "<img src='x'><p>") if broken else html
    page = new_page(java_script_enabled=False)
    page.route("http://essai.test/", lambda route: route.fulfill(body=html))
    page.goto("http://essai.test/")
    assert page.title() == "Essai"
    with pytest.raises(AssertionError, match="image-alt") if broken else nullcontext():
        axe(page)
