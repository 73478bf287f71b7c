"""Which files a view that takes some gets, and that no other view gets any."""

import hashlib
import io

import pytest
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client, RequestFactory

from members import files

KIB = 1024


@files.taking(each=4 * KIB, together=6 * KIB)
def view(request):
    view.read = (
        {name: file.size for name, file in request.FILES.items()},
        request.POST.get("words"),
        request.too_heavy,
    )
    return HttpResponse()


def send(**sizes):
    data = {name: SimpleUploadedFile(f"{name}.pdf", b"x" * size) for name, size in sizes.items()}
    request = RequestFactory().post("/", {"words": "tapés", **data})
    request._dont_enforce_csrf_checks = True
    view(request)
    request.close()
    return view.read


def test_files_within_the_weights_arrive_with_the_words():
    assert send(one=4 * KIB, two=2 * KIB) == ({"one": 4 * KIB, "two": 2 * KIB}, "tapés", set())


def test_a_file_too_heavy_is_left_out_and_named_and_the_rest_is_kept():
    assert send(one=4 * KIB + 1, two=2 * KIB) == ({"two": 2 * KIB}, "tapés", {"one"})


def test_files_too_heavy_together_are_named_from_the_first_one_too_many():
    assert send(one=4 * KIB, two=3 * KIB) == ({"one": 4 * KIB}, "tapés", {"two"})


def test_what_weighs_much_more_than_allowed_is_not_even_read():
    with pytest.raises(RequestDataTooBig):
        send(one=2 << 20)


def test_a_form_with_a_file_still_needs_its_token():
    request = RequestFactory(enforce_csrf_checks=True).post(
        "/", {"one": SimpleUploadedFile("a.pdf", b"x")}
    )
    assert view(request).status_code == 403
    request.close()


def test_no_other_page_takes_a_file(db):
    answer = Client().post(
        "/connexion/", {"identifiant": "claire", "file": SimpleUploadedFile("a.pdf", b"x")}
    )
    assert answer.status_code == 400


def test_a_digest_is_that_of_the_whole_content_and_leaves_the_file_at_its_beginning():
    file = io.BytesIO(b"content")
    file.read(3)
    assert files.digest(file) == hashlib.sha256(b"content").hexdigest()
    assert file.read() == b"content"
