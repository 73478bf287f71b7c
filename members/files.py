"""Files that people of the mutual hand in or that jobs make: outside the web root, under names of our own.

Nothing serves their folder. A view that checked who asks gives one with `answer`; a view that takes some
is wrapped by `taking`, for no other page reads a file (portal/uploads.py).
"""

import functools
import hashlib
import secrets

from django.core.exceptions import RequestDataTooBig
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadhandler import SkipFile, TemporaryFileUploadHandler
from django.http import FileResponse
from django.utils import timezone
from django.utils.deconstruct import deconstructible
from django.views.decorators.csrf import csrf_exempt, csrf_protect

DRAINED = 4  # how many times what is allowed a request may weigh and still get its page back
OTHER_FIELDS = 1 << 20  # bytes


@deconstructible(path="members.files.PrivateStorage")
class PrivateStorage(FileSystemStorage):
    """Under MEDIA_ROOT (`FILES_ROOT` of the environment), readable by the portal's own user alone."""

    def __init__(self):
        super().__init__(file_permissions_mode=0o600, directory_permissions_mode=0o700)

    def url(self, name):
        raise ValueError("A private file has no address.")


@deconstructible
class NamedAtRandom:
    """An `upload_to`: a folder per topic and month, and a name that tells nothing of the file's own."""

    def __init__(self, topic: str):
        self.topic = topic

    def __call__(self, instance, filename):
        return f"{self.topic}/{timezone.localdate():%Y-%m}/{secrets.token_hex(16)}"


def digest(file) -> str:
    """SHA-256 of the whole content, in hexadecimal; the file is back at its beginning."""
    file.seek(0)
    found = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return found


def answer(file, *, name: str, content_type: str, inline: bool = False) -> FileResponse:
    """The content of a stored file, to keep under `name`; a browser neither shows nor runs it.

    `inline`: for a picture that we wrote ourselves, shown within one of our pages.
    """
    response = FileResponse(
        file.open("rb"), as_attachment=not inline, filename=name, content_type=content_type
    )
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


class _Weighed(TemporaryFileUploadHandler):
    """Keeps files up to a weight each and together; the names of the fields of those left out are in
    `request.too_heavy`, for their form to say it."""

    def __init__(self, request, *, each: int, together: int):
        super().__init__(request)
        self.each, self.together = each, together
        self.all = self.this = 0

    def handle_raw_input(self, input_data, META, content_length, boundary, encoding=None):
        if content_length > DRAINED * self.together + OTHER_FIELDS:
            raise RequestDataTooBig("The files of this form weigh too much.")

    def new_file(self, *args, **kwargs):
        super().new_file(*args, **kwargs)
        self.this = 0

    def receive_data_chunk(self, raw_data, start):
        self.this += len(raw_data)
        self.all += len(raw_data)
        if self.this > self.each or self.all > self.together:
            self.request.too_heavy.add(self.field_name)
            self.all -= self.this
            self.file.close()
            raise SkipFile
        return super().receive_data_chunk(raw_data, start)


def taking(*, each: int, together: int):
    """Lets a view read files, of `each` bytes at most and `together`. It is the outermost decorator."""

    def wrap(view):
        protected = csrf_protect(view)

        @csrf_exempt  # the token stands in the form, which is read once the handler is in place
        @functools.wraps(view)
        def inner(request, *args, **kwargs):
            request.too_heavy = set()
            request.upload_handlers = [_Weighed(request, each=each, together=together)]
            return protected(request, *args, **kwargs)

        return inner

    return wrap
