"""What is kept of a document that somebody hands in: its pages or its picture, written again from nothing.

Hostile bytes are read here, by libraries written in C: members/documents.py runs this file as a process of
its own, which knows no secret, has no setting, opens nothing and dies at its bounds. So it imports nothing
of ours.
(docs/decisions/0041-documents-are-written-again.md)
"""

import json
import resource
import sys
import zlib
from dataclasses import dataclass
from io import BytesIO

import pikepdf
import pillow_heif
from PIL import Image, ImageOps

MOST_PAGES = 20
LONGEST_SIDE = 4000  # pixels, of what is kept
MOST_PIXELS = 64_000_000  # of what is read: a telephone's best
MOST_EXPANDED = 256 << 20  # bytes of all the streams of a PDF together

MEMORY = 1 << 30  # bytes of address space
SECONDS = 15  # of processor
HEAVIEST_RESULT = 16 << 20  # bytes

HEAVIEST = 5 << 20  # bytes of what is kept, as of what is sent: members/documents.py
QUALITIES = (85, 60)  # of a JPEG: the second where the first is too heavy

pillow_heif.register_heif_opener(thumbnails=False, decode_threads=1)

HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
END_OF_PDF = 2048  # bytes: where readers look for %%EOF; further off, something else follows

# How the bytes of a stream are written, under their short names too (ISO 32000-1, tables 6 and 94)
SHORT_FILTERS = {
    "/AHx": "/ASCIIHexDecode",
    "/A85": "/ASCII85Decode",
    "/LZW": "/LZWDecode",
    "/Fl": "/FlateDecode",
    "/RL": "/RunLengthDecode",
    "/CCF": "/CCITTFaxDecode",
    "/DCT": "/DCTDecode",
}
EXPANDING = {"/ASCIIHexDecode", "/ASCII85Decode", "/LZWDecode", "/FlateDecode", "/RunLengthDecode"}
DRAWN = {"/DCTDecode": "JPEG", "/JPXDecode": "JPEG2000"}  # what says its own size, for Pillow
PICTURES = {*DRAWN, "/CCITTFaxDecode", "/JBIG2Decode"}  # the last filter, or none

# What a page needs to be drawn, and nothing that acts
KEPT_OF_A_PAGE = {
    "/Type",
    "/Contents",
    "/Resources",
    "/MediaBox",
    "/CropBox",
    "/Rotate",
    "/UserUnit",
    "/Group",
}
# A second lock: these are reached from no page by now, but for what hides among its resources.
ACTS = ("/JS", "/AA", "/OpenAction", "/EmbeddedFiles", "/EF", "/AF", "/XFA", "/RichMedia")
TELLS = ("/Metadata", "/PieceInfo", "/StructParents", "/StructParent", "/LastModified")
OUTSIDE = ("/F", "/FFilter", "/FDecodeParms", "/Ref", "/OPI", "/Alternates")  # of a stream
ACTIONS = {
    "/JavaScript",
    "/Launch",
    "/URI",
    "/SubmitForm",
    "/ImportData",
    "/GoToR",
    "/GoToE",
    "/Rendition",
    "/Movie",
    "/Sound",
    "/RichMediaExecute",
}


class Unfit(Exception):
    """A document that is not kept; `reason` is a key of members.documents.REASONS."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Cleaned:
    kind: str  # "jpeg", "png" or "pdf"
    pages: int
    content: bytes


def clean(content: bytes) -> Cleaned:
    """The document written again. Raises Unfit, and nothing else, whatever `content` holds."""
    try:
        kind = _kind_of(content)
        return _pdf(content) if kind == "pdf" else _image(content, kind)
    except Unfit:
        raise
    except Exception:  # of a parser before hostile bytes: none of them is worth another answer
        raise Unfit("damaged") from None


def _kind_of(content: bytes) -> str:
    """By its first bytes alone: neither its name nor the type that was declared is looked at."""
    if not content:
        raise Unfit("empty")
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"%PDF-"):
        return "pdf"
    if content[4:8] == b"ftyp" and content[8:12] in HEIC_BRANDS:
        return "heic"
    raise Unfit("unknown")


# ------------------------------------------------------------------------------------------ images


def _image(content: bytes, kind: str) -> Cleaned:
    """A picture drawn again, upright: EXIF, place, comments, profile and what followed it are left."""
    with _opened(content, {"jpeg": "JPEG", "png": "PNG", "heic": "HEIF"}[kind]) as image:
        image.draft(None, (LONGEST_SIDE, LONGEST_SIDE))  # a large JPEG is read at half its size
        drawn = _on_white(ImageOps.exif_transpose(image))
    drawn.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    drawn.info.clear()
    if kind == "png":
        written = _written(drawn, "PNG", compress_level=4)
        if len(written) <= HEAVIEST:
            return Cleaned("png", 1, written)
    for quality in QUALITIES:
        written = _written(drawn, "JPEG", quality=quality)
        if len(written) <= HEAVIEST:
            break
    return Cleaned("jpeg", 1, written)


def _opened(content: bytes, kind: str) -> Image.Image:
    """A picture whose pixels are counted before one is decoded."""
    Image.MAX_IMAGE_PIXELS = None
    image = Image.open(BytesIO(content), formats=[kind])
    if image.width * image.height > MOST_PIXELS:
        raise Unfit("pixels")
    return image


def _written(image: Image.Image, kind: str, **options) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _on_white(image: Image.Image) -> Image.Image:
    """The first frame, opaque, in grey or in colours of 8 bits."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("1", "L"):
        return image.convert("L")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image)
        image = white
    return image.convert("RGB")


# -------------------------------------------------------------------------------------------- PDF


def _pdf(content: bytes) -> Cleaned:
    """Its pages alone, in a new document: what is filled in a form is drawn, and acts no more."""
    if b"%%EOF" not in content[-END_OF_PDF:]:
        raise Unfit("damaged")
    try:
        source = pikepdf.open(BytesIO(content))
    except pikepdf.PasswordError:
        raise Unfit("locked") from None
    with source, pikepdf.new() as kept:
        count = len(source.pages)
        if count > MOST_PAGES:
            raise Unfit("pages")
        if not count:
            raise Unfit("damaged")
        _measure(source)
        # what was typed in a form becomes part of the page, also where it was left to readers to draw
        source.generate_appearance_streams()
        source.flatten_annotations("screen")
        for page in source.pages:
            _narrow(page)
        kept.pages.extend(source.pages)
        for thing in kept.objects:
            _disarm(thing)
        written = BytesIO()
        kept.save(
            written,
            deterministic_id=True,
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
        )
    return Cleaned("pdf", count, written.getvalue())


def _measure(source: pikepdf.Pdf) -> None:
    """Refuses what expands beyond measure, here or in the reader of who opens it later."""
    left = MOST_EXPANDED
    for thing in source.objects:
        if not isinstance(thing, pikepdf.Stream):
            continue
        size = [thing[name] for name in ("/Width", "/Height") if name in thing]
        if not all(type(side) is int and side > 0 for side in size):
            raise Unfit("damaged")
        if len(size) == 2 and size[0] * size[1] > MOST_PIXELS:
            raise Unfit("pixels")
        content, picture = _undone(thing, left)
        if picture in DRAWN:  # what it claims binds no reader
            _opened(content, DRAWN[picture]).close()
        left -= len(content)


def _undone(stream: pikepdf.Stream, most: int) -> tuple[bytes, str]:
    """Its bytes without what compresses them, and the filter of a picture that is left, or nothing.
    Raises Unfit where they, or what comes between two filters, are more than `most`."""
    content = stream.read_raw_bytes()
    filters = _filters(stream)
    picture = filters.pop()[0] if filters and filters[-1][0] in PICTURES else ""
    for at, (name, parameters) in enumerate(filters, 1):
        is_last = at == len(filters) and not picture
        if name not in EXPANDING or (not is_last and parameters.get("/Predictor", 1) != 1):
            raise Unfit("damaged")  # or nothing that anybody writes
        content = _without(content, name, parameters, most)
        if len(content) > most:
            raise Unfit("expands")
    if len(content) > most:
        raise Unfit("expands")
    return content, picture


def _filters(stream: pikepdf.Stream) -> list[tuple[str, pikepdf.Object | dict]]:
    """The filters of a stream under their long names, in order, each with its parameters."""
    names, parameters = (_listed(stream.get(name)) for name in ("/Filter", "/DecodeParms"))
    parameters += [None] * len(names)
    return [
        (SHORT_FILTERS.get(str(name), str(name)), {} if one is None else one)
        for name, one in zip(names, parameters, strict=False)
        if str(name) != "/Crypt"  # undone on opening
    ]


def _listed(value) -> list:
    if value is None:
        return []
    return list(value) if isinstance(value, pikepdf.Array) else [value]


def _without(content: bytes, name: str, parameters, most: int) -> bytes:
    """Without one filter that compresses: by zlib, never more than `most` and one byte; by qpdf, which knows
    the others, what the memory of this process holds. What follows the end is left, as readers do."""
    if name == "/FlateDecode":
        try:
            return zlib.decompressobj().decompress(content, most + 1)
        except zlib.error:
            raise Unfit("damaged") from None
    with pikepdf.new() as apart:
        stream = apart.make_stream(b"")
        early = parameters.get("/EarlyChange", 1)
        known = pikepdf.Dictionary(EarlyChange=early) if name == "/LZWDecode" else None
        stream.write(content, filter=pikepdf.Name(name), decode_parms=known)
        try:
            return stream.read_bytes()
        except pikepdf.PdfError:
            raise Unfit("expands") from None


def _narrow(page: pikepdf.Page) -> None:
    """Writes on the page what it inherits, then leaves what draws nothing: links, notes, actions."""
    inherited = {
        name: value
        for name in ("/Resources", "/MediaBox", "/CropBox", "/Rotate")
        if (value := _inherited(page.obj, name)) is not None
    }
    for name in set(page.obj.keys()) - KEPT_OF_A_PAGE - {"/Parent"}:
        del page.obj[name]
    for name, value in inherited.items():
        page.obj[name] = value


def _inherited(node: pikepdf.Object, name: str):
    for _level in range(50):
        if name in node:
            return node[name]
        if "/Parent" not in node:
            return None
        node = node["/Parent"]
    return None


def _disarm(thing: pikepdf.Object, depth: int = 0) -> None:
    """Takes out of one object, and of what is written inside it, what acts, tells or points outside."""
    if depth > 50:
        raise Unfit("damaged")
    if isinstance(thing, pikepdf.Stream):
        for name in OUTSIDE:
            if name in thing:
                del thing[name]
        if "/PS" in (thing.get("/Subtype"), thing.get("/Subtype2")):
            thing.write(b"")  # a program for printers
        filters = _filters(thing)
        if filters and filters[-1][0] == "/DCTDecode":
            photo, _picture = _undone(thing, MOST_EXPANDED)
            parameters = filters[-1][1] or None
            thing.write(_plain_jpeg(photo), filter=pikepdf.Name.DCTDecode, decode_parms=parameters)
    if isinstance(thing, pikepdf.Dictionary | pikepdf.Stream):
        if str(thing.get("/S", "")) in ACTIONS:
            for name in list(thing.keys()):
                del thing[name]
        for name in (*ACTS, *TELLS):
            if name in thing:
                del thing[name]
        inside = [value for _name, value in thing.items()]
    elif isinstance(thing, pikepdf.Array):
        inside = list(thing)
    else:
        return
    for one in inside:
        if isinstance(one, pikepdf.Object) and not one.is_indirect:
            _disarm(one, depth + 1)


def _plain_jpeg(content: bytes) -> bytes:
    """A JPEG without what its camera told: all its application segments but JFIF's and Adobe's."""
    if not content.startswith(b"\xff\xd8"):
        return content
    kept, at = [b"\xff\xd8"], 2
    while content[at : at + 1] == b"\xff" and len(content) >= at + 4:
        marker = content[at + 1]
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4])
        if marker == 0xDA:  # the picture itself
            break
        if not (0xE1 <= marker <= 0xEF and marker != 0xEE) and marker != 0xFE:
            kept.append(content[at:end])
        at = end
    return b"".join([*kept, content[at:]])


# ---------------------------------------------------------------------------------------- process


def _prepare() -> None:
    """Lets the libraries open all they ever do: their own modules, and the randomness that qpdf asks for."""
    Image.init()
    with pikepdf.new() as one:
        one.save(BytesIO(), encryption=pikepdf.Encryption(owner="-"))


def _bound() -> None:
    """From here on no file, no socket and no other process's memory by /proc can be opened."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, HEAVIEST_RESULT),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(what, (most, most))


def main() -> None:
    """The document on the standard input; a line of JSON then the content on the standard output."""
    _prepare()
    _bound()
    try:
        cleaned = clean(sys.stdin.buffer.read())
    except Unfit as refusal:
        head, content = {"unfit": refusal.reason}, b""
    else:
        head, content = {"kind": cleaned.kind, "pages": cleaned.pages}, cleaned.content
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + content)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
