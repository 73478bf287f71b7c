"""Requests are read as UTF-8 or not at all: our pages and our provider send nothing else.

Django decodes a request as it asks, with any codec of Python: some are no charset at all (hex, rot13),
some give characters that nothing can store (the lone surrogates of UTF-7).
"""

from django.utils.http import parse_header_parameters

from portal import errors

UTF_8 = {"utf-8", "utf8"}
UNREAD = "text/plain; charset=unread"


class Utf8Middleware:
    """Answers 400 to a request in another charset, in the look of the portal."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not _is_utf_8(request.content_params):
            return errors.bad_request(request)
        return self.get_response(request)


class Unread:
    """A WSGI application that takes the charset away which Utf8Middleware will refuse.

    Django decodes the address while it makes the request, before any middleware: an error there would
    answer with the server's own page.
    """

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        try:
            _kind, parameters = parse_header_parameters(environ.get("CONTENT_TYPE", ""))
        except ValueError:
            readable = False
        else:
            readable = _is_utf_8(parameters)
        if not readable:
            environ = {**environ, "CONTENT_TYPE": UNREAD}
        return self.application(environ, start_response)


def _is_utf_8(parameters: dict[str, str]) -> bool:
    return parameters.get("charset", "utf-8").lower() in UTF_8
