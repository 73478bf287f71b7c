"""No page of the portal takes a file."""

from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParserError


class NoFiles(FileUploadHandler):
    """Refuses a form at its first file, before a byte of it is kept: the answer is a 400.

    A view that takes files puts a handler of its own in `request.upload_handlers`, before anything reads
    the form: it is `csrf_exempt`, and calls a function that is `csrf_protect`.
    """

    def new_file(self, *args, **kwargs):
        raise MultiPartParserError("No file is taken here.")

    def receive_data_chunk(self, raw_data, start):
        """Never reached."""

    def file_complete(self, file_size):
        """Never reached."""
