"""What is kept of a document that somebody hands in: its pages or its picture, written again from nothing.

Hostile bytes are read here, by libraries written in C: members/documents.py runs this file as a process of
its own, which knows no secret, has no setting and dies at its bounds. So it imports nothing of ours.
(docs/decisions/0041-documents-are-written-again.md)
"""

import json
import resource
import sys
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

HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
END_OF_PDF = 2048  # bytes: where readers look for %%EOF; further off, something else follows

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
    if kind == "heic":
        pillow_heif.register_heif_opener(thumbnails=False, decode_threads=1)
    Image.MAX_IMAGE_PIXELS = None  # checked here, before a pixel is decoded
    opener = {"jpeg": "JPEG", "png": "PNG", "heic": "HEIF"}[kind]
    with Image.open(BytesIO(content), formats=[opener]) as image:
        if image.width * image.height > MOST_PIXELS:
            raise Unfit("pixels")
        image.draft(None, (LONGEST_SIDE, LONGEST_SIDE))  # a large JPEG is read at half its size
        drawn = _on_white(ImageOps.exif_transpose(image))
    drawn.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    drawn.info.clear()
    written = BytesIO()
    if kind == "png":
        drawn.save(written, "PNG", compress_level=4)
    else:
        kind = "jpeg"
        drawn.save(written, "JPEG", quality=85)
    return Cleaned(kind, 1, written.getvalue())


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
    expanded = 0
    for thing in source.objects:
        if not isinstance(thing, pikepdf.Stream):
            continue
        width, height = thing.get("/Width", 0), thing.get("/Height", 0)
        if isinstance(width, int) and isinstance(height, int) and width * height > MOST_PIXELS:
            raise Unfit("pixels")
        try:
            expanded += len(thing.read_bytes())
        except pikepdf.PdfError:  # a picture, whose pixels were counted, or what no reader can read
            expanded += len(thing.read_raw_bytes())
        if expanded > MOST_EXPANDED:
            raise Unfit("expands")


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
        if thing.get("/Filter") in (pikepdf.Name.DCTDecode, [pikepdf.Name.DCTDecode]):
            picture = _plain_jpeg(thing.read_raw_bytes())
            parameters = thing.get("/DecodeParms")
            thing.write(picture, filter=pikepdf.Name.DCTDecode, decode_parms=parameters)
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


def _bound() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, HEAVIEST_RESULT),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def main() -> None:
    """The document on the standard input; a line of JSON then the content on the standard output."""
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
