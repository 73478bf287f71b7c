"""What is kept of a document that a member hands in, and what is refused, in words."""

import io
import logging
import random
import socket
import threading
import zipfile
import zlib
from decimal import Decimal

import pikepdf
import pillow_heif
import pypdf
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from members import cleaning, documents, paper

GPS, ORIENTATION, MAKER = 0x8825, 0x0112, 0x010F
DEVICE = "Telephone of Jeanne"
GUARDED = pikepdf.Encryption(owner="secret", user="")  # read by anybody, changed by its owner


def picture(size=(60, 40), mode="RGB") -> Image.Image:
    """Red on its left half, white on its right one."""
    image = Image.new(mode, size, "white")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    return image


def told_by_a_camera() -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # held upright: to be turned by a quarter
    exif[MAKER] = DEVICE
    exif.get_ifd(GPS)[1] = "N"
    exif.get_ifd(GPS)[2] = (48.0, 51.0, 24.0)
    return exif


def written(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def jpeg(**options) -> bytes:
    return written(picture(), "JPEG", exif=told_by_a_camera(), comment=DEVICE, **options)


def png() -> bytes:
    words = PngImagePlugin.PngInfo()
    words.add_text("Author", DEVICE)
    return written(picture(), "PNG", pnginfo=words)


def heic() -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(picture((64, 64))).save(file, exif=told_by_a_camera().tobytes())
    return file.getvalue()


def pdf(pages=1, *, change=lambda one: None, **options) -> bytes:
    file = io.BytesIO()
    with pikepdf.new() as one:
        for _ in range(pages):
            one.add_blank_page(page_size=(200, 100))
        change(one)
        one.save(file, **options)
    return file.getvalue()


def upload(content: bytes, name="facture.pdf") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type="text/html")


def accepted(content: bytes, name="facture.pdf") -> documents.Clean:
    (clean,) = documents.accept([upload(content, name)])
    return clean


def refused(content: bytes, name="facture.pdf") -> str:
    with pytest.raises(documents.Refused) as refusal:
        documents.accept([upload(content, name)])
    (sentence,) = refusal.value.sentences
    return sentence


def unfit(content: bytes) -> str:
    with pytest.raises(cleaning.Unfit) as refusal:
        cleaning.clean(content)
    return refusal.value.reason


# -------------------------------------------------------------------------------- what is accepted


def test_each_kind_is_known_by_what_it_holds_and_named_after_it():
    found = documents.accept(
        [
            upload(jpeg(), "a.pdf"),
            upload(png(), "b"),
            upload(heic(), "c.HEIC"),
            upload(pdf(3), "d.jpg"),
        ]
    )
    assert [(one.kind, one.pages, one.name, one.content_type) for one in found] == [
        ("jpeg", 1, "a.jpg", "image/jpeg"),
        ("png", 1, "b.png", "image/png"),
        ("jpeg", 1, "c.jpg", "image/jpeg"),
        ("pdf", 3, "d.pdf", "application/pdf"),
    ]
    assert all(len(one.sha256) == 64 and one.size == len(one.content.read()) for one in found)


def test_a_photo_is_upright_and_tells_nothing_of_its_camera():
    for original in (jpeg(), heic()):
        content = cleaning.clean(original).content
        with Image.open(io.BytesIO(content)) as image:
            assert not image.getexif()
            assert not {"exif", "comment", "icc_profile", "xmp"} & set(image.info)
        assert DEVICE.encode() not in content
    content = cleaning.clean(jpeg()).content
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (40, 60)
        red, _green, blue = image.getpixel((20, 10))
        assert red > 200
        assert blue < 60


def test_a_png_loses_its_words_and_its_transparency():
    clear = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    content = cleaning.clean(written(clear, "PNG")).content
    with Image.open(io.BytesIO(content)) as image:
        assert (image.mode, image.getpixel((5, 5))) == ("RGB", (255, 255, 255))
    assert DEVICE.encode() not in cleaning.clean(png()).content


def test_a_scan_of_16_bits_keeps_its_greys():
    grey = Image.new("I;16", (10, 10), 0x8000)
    content = cleaning.clean(written(grey, "PNG")).content
    with Image.open(io.BytesIO(content)) as image:
        assert image.getpixel((5, 5)) == 0x80


def test_what_is_larger_than_a_page_needs_is_made_smaller():
    content = cleaning.clean(written(Image.new("L", (5000, 100)), "PNG")).content
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (4000, 80)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("../../etc/passwd", "passwd.png"),
        ("C:\\Bureau\\Ma facture.JPG", "Ma facture.png"),
        ("fac\u202egnp.exe\n", "facgnp.exe.png"),
        ("...", "document.png"),
        ("é" * 300, "é" * 96 + ".png"),
        ("Dr. Martin du 12.03.2026", "Dr. Martin du 12.03.2026.png"),
    ],
)
def test_a_name_is_for_people_to_read(typed, shown):
    assert documents._name(typed, ".png") == shown


# --------------------------------------------------------------------------------------------- PDF


def acting(one: pikepdf.Pdf) -> None:
    """All that a PDF can do but be read."""
    script = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
    link = pikepdf.Dictionary(S=pikepdf.Name.URI, URI="https://ailleurs.example/")
    launch = pikepdf.Dictionary(S=pikepdf.Name.Launch, F="calc.exe")
    one.Root.OpenAction = one.make_indirect(script)
    one.Root.AA = pikepdf.Dictionary(WC=script)
    one.Root.Names = pikepdf.Dictionary(
        JavaScript=pikepdf.Dictionary(Names=[pikepdf.String("a"), script])
    )
    one.attachments["virus.exe"] = b"MZ program"
    one.docinfo["/Author"] = DEVICE
    with one.open_metadata() as metadata:
        metadata["dc:title"] = DEVICE
    page = one.pages[0].obj
    page.AA = pikepdf.Dictionary(O=script)
    page.Annots = [
        pikepdf.Dictionary(
            Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Link, Rect=[0, 0, 9, 9], A=act
        )
        for act in (script, link, launch)
    ]
    hidden = one.make_stream(b"q Q", Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Form)
    hidden.BBox = [0, 0, 9, 9]
    hidden.Ref = pikepdf.Dictionary(F="elsewhere.pdf", Page=0)
    hidden.Hidden = link
    hidden.Metadata = one.make_stream(DEVICE.encode())
    hidden.PieceInfo = pikepdf.Dictionary(Hidden=pikepdf.Dictionary(AA=script))
    page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(X=hidden))
    page.Contents = one.make_stream(b"/X Do")


def everything_in(content: bytes) -> str:
    """The PDF with its streams written out, for words to be looked for."""
    file = io.BytesIO()
    with pikepdf.open(io.BytesIO(content)) as one:
        one.save(
            file,
            qdf=True,
            compress_streams=False,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
            stream_decode_level=pikepdf.StreamDecodeLevel.all,
        )
    return file.getvalue().decode("latin-1")


def test_a_pdf_keeps_its_pages_and_nothing_that_acts_tells_or_points_outside():
    original = pdf(2, change=acting)
    kept = everything_in(cleaning.clean(original).content)
    signs = (
        "JavaScript",
        "/JS",
        "/AA",
        "OpenAction",
        "Launch",
        "/URI",
        "ailleurs",
        "virus",
        "/Annots",
    )
    signs += (
        "EmbeddedFile",
        "/Ref",
        "elsewhere",
        "Metadata",
        "PieceInfo",
        DEVICE,
        "/Names",
        "calc.exe",
    )
    before = everything_in(original)
    assert [sign for sign in signs if sign not in before] == []
    assert [sign for sign in signs if sign in kept] == []
    assert "/X Do" in kept


def test_a_program_for_printers_is_emptied():
    def program(one):
        printed = one.make_stream(b"(loop) print", Type=pikepdf.Name.XObject)
        printed.Subtype = pikepdf.Name.PS
        one.pages[0].obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(X=printed))

    assert "(loop)" in everything_in(pdf(change=program))
    assert "(loop)" not in everything_in(cleaning.clean(pdf(change=program)).content)


def test_a_page_reads_as_it_did():
    """A paper of ours: fonts and structure as real documents have them."""
    blocks = [
        paper.Block("title", "Facture n° 12"),
        *[paper.Block("text", "Détartrage : 28,92 €")] * 60,
    ]
    original = paper.document("Facture", blocks, foot="Cabinet dentaire")
    texts = [
        [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(one)).pages]
        for one in (original, cleaning.clean(original).content)
    ]
    assert texts[0] == texts[1]
    assert "Détartrage" in texts[0][1]


@pytest.mark.parametrize("is_drawn", [True, False])
def test_what_was_typed_in_a_form_stays_on_the_page(is_drawn):
    def form(one):
        field = pikepdf.Dictionary(
            Type=pikepdf.Name.Annot,
            Subtype=pikepdf.Name.Widget,
            FT=pikepdf.Name.Tx,
            T="amount",
            V="12,50",
            DA="/Helv 10 Tf",
            Rect=[10, 10, 60, 30],
            A=pikepdf.Dictionary(S=pikepdf.Name.SubmitForm, F="https://ailleurs.example/"),
            F=4,
        )
        if is_drawn:
            look = one.make_stream(b"BT (12,50) Tj ET", Type=pikepdf.Name.XObject)
            look.Subtype, look.BBox = pikepdf.Name.Form, [0, 0, 50, 20]
            field.AP = pikepdf.Dictionary(N=look)
        helvetica = pikepdf.Dictionary(
            Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
        )
        field = one.make_indirect(field)
        one.pages[0].obj.Annots = one.make_indirect([field])
        one.Root.AcroForm = pikepdf.Dictionary(
            Fields=[field],
            NeedAppearances=not is_drawn,
            DR=pikepdf.Dictionary(Font=pikepdf.Dictionary(Helv=one.make_indirect(helvetica))),
        )

    kept = everything_in(cleaning.clean(pdf(change=form)).content)
    assert "(12,50) Tj" in kept
    assert not {"SubmitForm", "AcroForm", "Widget"} & set(kept.split("/"))


def pdf_of(picture: bytes, *filters: str, width=60, height=40) -> bytes:
    """A page that draws `picture`, written so."""

    def draw(one):
        image = one.make_stream(b"", Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Image)
        image.Width, image.Height, image.BitsPerComponent = width, height, 8
        image.ColorSpace = pikepdf.Name.DeviceRGB
        named = [pikepdf.Name(name) for name in filters]
        image.write(picture, filter=named[0] if len(named) == 1 else pikepdf.Array(named))
        one.pages[0].obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im0=image))
        one.pages[0].obj.Contents = one.make_stream(b"/Im0 Do")

    return pdf(change=draw, stream_decode_level=pikepdf.StreamDecodeLevel.none)


WRITTEN = {
    "/DCTDecode": (jpeg(), ["/DCTDecode"]),
    "its short name": (jpeg(), ["/DCT"]),
    "compressed": (zlib.compress(jpeg()), ["/FlateDecode", "/DCTDecode"]),
    "twice": (zlib.compress(zlib.compress(jpeg())), ["/FlateDecode", "/Fl", "/DCT"]),
    "in letters": (jpeg().hex().encode() + b">", ["/ASCIIHexDecode", "/DCTDecode"]),
}


@pytest.mark.parametrize(("photo", "filters"), WRITTEN.values(), ids=WRITTEN)
def test_a_photo_inside_a_pdf_tells_nothing_of_its_camera_however_it_is_written(photo, filters):
    content = cleaning.clean(pdf_of(photo, *filters)).content
    with pikepdf.open(io.BytesIO(content)) as one:
        image = one.pages[0].Resources.XObject.Im0
        assert image.Filter == pikepdf.Name.DCTDecode
        raw = image.read_raw_bytes()
    assert DEVICE.encode() not in raw
    with Image.open(io.BytesIO(raw)) as image:
        assert not image.getexif()
        assert image.getpixel((5, 5))[0] > 200


def test_a_page_keeps_what_it_inherits():
    def inherit(one):
        one.Root.Pages.Rotate = 90
        one.Root.Pages.MediaBox = [0, 0, 300, 300]
        del one.pages[0].obj.MediaBox

    with pikepdf.open(io.BytesIO(cleaning.clean(pdf(change=inherit)).content)) as one:
        assert one.pages[0].obj.Rotate == 90
        assert list(one.pages[0].mediabox) == [0, 0, 300, 300]


def test_a_pdf_that_only_its_owner_may_change_is_read_as_anybody_reads_it():
    guarded = pdf(encryption=GUARDED)
    with pikepdf.open(io.BytesIO(cleaning.clean(guarded).content)) as one:
        assert not one.is_encrypted


# --------------------------------------------------------------------------------- what is read


@documents.taking
def view(request):
    view.read = [one.size for one in request.FILES.getlist("documents")], request.too_heavy
    return HttpResponse()


@pytest.mark.parametrize(("count", "read", "too_heavy"), [(3, 3, set()), (4, 3, {"documents"})])
def test_a_page_that_takes_documents_reads_15_mb_and_names_the_field_of_the_rest(
    rf, count, read, too_heavy
):
    sent = [upload(bytes(documents.HEAVIEST)) for _ in range(count)]
    request = rf.post("/", {"documents": sent})
    request._dont_enforce_csrf_checks = True
    view(request)
    request.close()
    assert view.read == ([documents.HEAVIEST] * read, too_heavy)


# --------------------------------------------------------------------------------- what is refused


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "x")
    return file.getvalue()


REFUSED = {
    "empty": (b"", "ce fichier est vide"),
    "page of the web": (b"<html><script>alert(1)</script>", "n'est ni une photo ni un PDF"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "n'est ni une photo ni un PDF"),
    "gif": (written(picture(), "GIF"), "n'est ni une photo ni un PDF"),
    "program": (b"MZ\x90" + pdf(), "n'est ni une photo ni un PDF"),
    "archive": (zipped(), "n'est ni une photo ni un PDF"),
    "truncated photo": (jpeg()[:-300], "est abîmé ou incomplet"),
    "truncated pdf": (pdf()[:-60], "est abîmé ou incomplet"),
    "locked": (
        pdf(encryption=pikepdf.Encryption(owner="secret", user="secret")),
        "est protégé par un mot de passe",
    ),
    "long": (pdf(21), "a plus de 20 pages"),
    "heavy": (b"\xff\xd8\xff" + bytes(documents.HEAVIEST), "dépasse 5 Mo"),
}


@pytest.mark.parametrize(("content", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_said_in_one_sentence_with_its_name(content, words):
    sentence = refused(content, "Ma facture.pdf")
    assert sentence.startswith("Ma facture.pdf : ce ")
    assert words in sentence


def test_a_picture_of_too_many_pixels_is_refused_before_one_is_decoded():
    bomb = bytearray(written(Image.new("1", (8, 8)), "PNG"))
    bomb[16:24] = (60_000).to_bytes(4) * 2
    bomb[29:33] = zlib.crc32(bytes(bomb[12:29])).to_bytes(4)
    assert unfit(bytes(bomb)) == "pixels"


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
def test_a_photo_inside_a_pdf_is_measured_by_itself_and_not_by_what_the_pdf_claims(
    monkeypatch, kind
):
    photo = written(picture((60, 40)), kind)
    filters = {"JPEG": ["/DCTDecode"], "JPEG2000": ["/JPXDecode"]}[kind]
    claiming = pdf_of(photo, *filters, width=10, height=10)
    monkeypatch.setattr(cleaning, "MOST_PIXELS", 60 * 40)
    assert cleaning.clean(claiming).kind == "pdf"
    monkeypatch.setattr(cleaning, "MOST_PIXELS", 60 * 40 - 1)
    assert unfit(claiming) == "pixels"


@pytest.mark.parametrize(
    ("width", "reason"), [(100_000, "pixels"), (Decimal("100000.0"), "damaged"), (-1, "damaged")]
)
def test_the_size_that_a_pdf_claims_is_a_number_of_pixels_within_bounds(width, reason):
    claiming = pdf_of(zlib.compress(bytes(9)), "/FlateDecode", width=width, height=width)
    assert unfit(claiming) == reason


def packed(*, mebibytes: int) -> bytes:
    """Zeros; never ended, which readers bear."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    one = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x78\xda" + one * mebibytes


def page_of(content: bytes, *filters: str, **parameters) -> bytes:
    def write(one):
        stream = one.make_stream(b"")
        stream.write(
            content,
            filter=pikepdf.Array([pikepdf.Name(name) for name in filters]),
            decode_parms=pikepdf.Dictionary(parameters) if parameters else None,
        )
        one.pages[0].obj.Contents = stream

    return pdf(change=write, stream_decode_level=pikepdf.StreamDecodeLevel.none)


def test_a_pdf_that_expands_beyond_the_memory_of_its_reader_is_refused():
    """The true bounds, in the process of its own: what no memory holds is no picture."""
    bomb = page_of(packed(mebibytes=1100), "/FlateDecode")
    assert len(bomb) < documents.HEAVIEST
    assert "contient trop de choses" in refused(bomb)


BOMBS = {
    "once": (packed(mebibytes=9), ["/FlateDecode"]),
    "its short name": (packed(mebibytes=9), ["/Fl"]),
    "twice": (zlib.compress(packed(mebibytes=9)), ["/FlateDecode", "/FlateDecode"]),
    "before a picture": (packed(mebibytes=9), ["/FlateDecode", "/CCITTFaxDecode"]),
    "by repetition": (bytes([129, 0]) * (9 << 13) + b"\x80", ["/RunLengthDecode"]),
}


@pytest.mark.parametrize(("content", "filters"), BOMBS.values(), ids=BOMBS)
def test_a_pdf_that_expands_beyond_measure_is_refused_by_whatever_filter(
    monkeypatch, content, filters
):
    monkeypatch.setattr(cleaning, "MOST_EXPANDED", 8 << 20)
    assert unfit(page_of(content, *filters)) == "expands"


@pytest.mark.parametrize("filters", [["/FlateDecode"], ["/Unheard"], ["/DCTDecode", "/Fl"]])
def test_a_stream_that_cannot_be_undone_is_refused(filters):
    assert unfit(page_of(b"as it stands", *filters)) == "damaged"


@pytest.mark.parametrize(
    ("content", "filters"),
    [
        (zlib.compress(b"q Q"), ["/FlateDecode"]),
        (zlib.compress(b"q Q" * 99)[:-6], ["/FlateDecode"]),  # cut, as readers bear it
        (zlib.compress(b"q Q").hex().encode() + b">", ["/AHx", "/Fl"]),
        (bytes.fromhex("800b6050220c0c8501"), ["/LZWDecode"]),  # ISO 32000-1, §7.4.4.2
        (zlib.compress(b"q Q"), ["/Crypt", "/FlateDecode"]),
    ],
)
def test_a_page_may_be_written_by_any_filter_of_the_standard(content, filters):
    assert cleaning.clean(page_of(content, *filters)).pages == 1


def noise() -> bytes:
    """Light in 256 colours, thrice as heavy once each pixel tells its own."""
    image = Image.frombytes("P", (2000, 2400), random.Random(1).randbytes(4_800_000))
    image.putpalette(random.Random(2).randbytes(768))
    return written(image, "PNG", compress_level=1)


def test_what_is_kept_weighs_no_more_than_what_may_be_sent():
    assert cleaning.HEAVIEST == documents.HEAVIEST
    original = noise()
    assert len(original) < documents.HEAVIEST
    kept = accepted(original, "Ma facture.png")
    assert (kept.kind, kept.name) == ("jpeg", "Ma facture.jpg")
    assert kept.size <= documents.HEAVIEST


def test_of_two_files_in_one_only_the_document_is_kept():
    for original in (jpeg(), png(), pdf()):
        both = original + zipped()
        assert zipfile.is_zipfile(io.BytesIO(both))
        assert not zipfile.is_zipfile(io.BytesIO(cleaning.clean(both).content))
    script = jpeg() + b"<script>alert(1)</script>"
    assert b"<script>" not in cleaning.clean(script).content


def test_all_that_is_wrong_is_said_at_once_and_nothing_is_kept():
    with pytest.raises(documents.Refused) as refusal:
        documents.accept([upload(b"x", "a.txt"), upload(png(), "b.png"), upload(b"", "c.pdf")])
    assert refusal.value.sentences == [
        "a.txt : ce fichier n'est ni une photo ni un PDF.",
        "c.pdf : ce fichier est vide.",
    ]


def test_five_documents_at_most():
    with pytest.raises(documents.Refused, match="5 documents au plus"):
        documents.accept([upload(png())] * 6)


def test_together_they_weigh_15_mb_at_most(monkeypatch):
    monkeypatch.setattr(documents, "TOGETHER", 2 * len(png()) - 1)
    with pytest.raises(documents.Refused, match="15 Mo ensemble"):
        documents.accept([upload(png())] * 2)


@settings(max_examples=120)
@given(
    st.sampled_from(
        [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"%PDF-1.7\n", b"\0\0\0\x18ftypheic"]
    ),
    st.binary(max_size=400),
)
def test_whatever_the_bytes_a_document_is_clean_or_unfit(head, rest):
    clean_or_unfit(head + rest)


SOUND = [jpeg(), png(), heic(), pdf(2, change=acting)]


@settings(max_examples=150)
@given(st.sampled_from(SOUND), st.data())
def test_whatever_byte_of_a_document_is_changed_it_is_clean_or_unfit(original, data):
    changed = bytearray(original)
    places = st.integers(0, len(original) - 1)
    for at in data.draw(st.lists(places, min_size=1, max_size=6)):
        changed[at] = data.draw(st.integers(0, 255))
    clean_or_unfit(bytes(changed))


def clean_or_unfit(content: bytes) -> None:
    try:
        outcome = cleaning.clean(content).kind
    except cleaning.Unfit as refusal:
        outcome = refusal.reason
    assert outcome in {*documents.CONTENT_TYPES, *documents.REASONS}


# ------------------------------------------------------------------------------- another process


@pytest.fixture
def cleaned_by(monkeypatch, tmp_path):
    """`cleaned_by(code)`: documents are given to this code instead."""

    def put(code: str):
        path = tmp_path / "cleaning.py"
        path.write_text(code)
        monkeypatch.setattr(documents, "CLEANING", path)

    return put


def test_a_library_that_dies_takes_only_its_document_with_it(cleaned_by, caplog):
    cleaned_by("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    assert "abîmé" in refused(png())
    assert "-11" in caplog.text


def test_what_takes_too_long_is_given_up(cleaned_by, monkeypatch):
    monkeypatch.setattr(documents, "LONGEST_CLEANING", 0.2)
    cleaned_by("import time\ntime.sleep(20)")
    assert "abîmé" in refused(png())


def test_the_process_that_reads_documents_knows_no_secret(cleaned_by, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "never told")
    cleaned_by(
        "import json, os, sys\n"
        "sys.stdin.buffer.read()\n"
        "print(json.dumps({'kind': 'png', 'pages': 1}))\n"
        "print(sorted(os.environ))\n"
    )
    told = accepted(png()).content.read().decode()
    assert "SECRET_KEY" not in told
    assert "DATABASE_URL" not in told


def test_what_grew_too_heavy_once_cleaned_is_refused_in_its_own_words(cleaned_by):
    cleaned_by(
        "import sys\n"
        "sys.stdin.buffer.read()\n"
        'print(\'{"kind": "pdf", "pages": 1}\')\n'
        f"print('x' * {documents.HEAVIEST})\n"
    )
    assert "vérifié, dépasse 5 Mo" in refused(pdf())


def test_the_process_that_reads_documents_opens_nothing_not_even_the_secrets_of_its_parent(
    cleaned_by,
):
    cleaned_by(
        "import json, os, socket, sys\n"
        f"sys.path.insert(0, {str(documents.CLEANING.parent)!r})\n"
        "import cleaning\n"
        "cleaning._prepare()\n"
        "cleaning._bound()\n"
        "cleaning.clean(sys.stdin.buffer.read())\n"
        "os.close(0)\n"
        "print(json.dumps({'kind': 'png', 'pages': 1}))\n"
        "for act in (lambda: open(f'/proc/{os.getppid()}/environ'), socket.socket):\n"
        "    try:\n"
        "        print(act())\n"
        "    except OSError as error:\n"
        "        print(error.errno == 24)\n"
    )
    assert accepted(png()).content.read() == b"True\nTrue\n"


@pytest.mark.parametrize("content", [jpeg(), png(), heic(), pdf(2), pdf(encryption=GUARDED)])
def test_all_that_is_accepted_is_cleaned_without_opening_anything(content):
    assert accepted(content).size


def test_the_process_that_reads_documents_is_bound_in_memory_and_time(cleaned_by):
    bounds = f"import sys\nsys.path.insert(0, {str(documents.CLEANING.parent)!r})\n"
    cleaned_by(f"{bounds}import cleaning\ncleaning._bound()\nbytes(2 << 30)")
    assert "abîmé" in refused(png())


def test_a_machine_that_can_start_nothing_says_so_to_its_operator(monkeypatch, caplog):
    monkeypatch.setattr(documents.sys, "executable", "/nowhere/python")
    assert "Réessayez" in refused(png())
    assert "No document can be cleaned" in caplog.text


def test_when_every_place_is_taken_its_owner_is_asked_to_try_again(monkeypatch):
    monkeypatch.setattr(documents, "WAIT_FOR_A_PLACE", 0.01)
    monkeypatch.setattr(documents, "_places", threading.BoundedSemaphore(1))
    with documents._places:
        assert "Réessayez" in refused(png())
    assert accepted(png()).kind == "png"


# ------------------------------------------------------------------------------------------- clamd


@pytest.fixture
def clamd(settings):
    """`clamd(answer)`: a server of its protocol that answers so; the list of what it was given."""
    server = socket.create_server(("127.0.0.1", 0))
    settings.CLAMD_ADDRESS = f"127.0.0.1:{server.getsockname()[1]}"
    given = []

    def serve(answer: bytes):
        def one():
            client, _address = server.accept()
            with client, client.makefile("rb") as asked:
                assert asked.read(10) == b"zINSTREAM\0"
                content = b""
                while length := int.from_bytes(asked.read(4)):
                    content += asked.read(length)
                given.append(content)
                client.sendall(answer)

        thread = threading.Thread(target=one, daemon=True)
        thread.start()
        threads.append(thread)
        return given

    threads = []
    yield serve
    for thread in threads:
        thread.join(5)
    server.close()


def test_what_clamd_finds_clean_is_accepted_and_it_was_given_the_original(clamd):
    original = written(picture((900, 900)), "PNG", compress_level=0)  # more than one piece
    assert len(original) > documents.MIB
    given = clamd(b"stream: OK\0")
    assert accepted(original).kind == "png"
    assert given == [original]


def test_what_clamd_finds_infected_is_refused(clamd):
    clamd(b"stream: Win.Test.EICAR_HDB-1 FOUND\0")
    assert "programme dangereux" in refused(pdf())


@pytest.mark.parametrize("answer", [b"INSTREAM size limit exceeded. ERROR\0", b"", b"stream: OK"])
def test_an_answer_that_is_not_one_accepts_nothing(clamd, answer):
    clamd(answer)
    assert "Réessayez" in refused(pdf())


def test_while_clamd_is_away_nothing_is_accepted_and_its_operator_is_told(settings, caplog):
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.CLAMD_ADDRESS = f"127.0.0.1:{server.getsockname()[1]}"
    with caplog.at_level(logging.ERROR):
        assert "Réessayez" in refused(pdf(), "Ma facture.pdf")
        with pytest.raises(documents.Refused) as refusal:
            documents.accept([upload(pdf()), upload(pdf())])
    assert len(refusal.value.sentences) == 1  # the second one was not made to wait
    assert "clamd" in caplog.text
    assert "Ma facture" not in caplog.text
