"""What is sent and received: genuine documents, made larger by a picture or a video in them."""

import io
import os
import zipfile

KIB = 1024
MIB = 1024 * KIB

BOUNDARY = "consign-load-boundary-5b1f"


class Payloads:
    """The documents, in a folder of their own."""

    def __init__(self, folder, fixtures, large_size):
        folder.mkdir()
        self.folder = folder
        self.small = folder / "small.docx"
        self.large = folder / "large.pptx"
        self.form = folder / "large.form"
        self.small_size, self.large_size = 100 * KIB, large_size
        small(self.small, fixtures, self.small_size)
        _grow(fixtures / "python-pptx.pptx", self.large, "ppt/media/video.mp4", large_size)
        _form(self.large, self.form)


def small(to, fixtures, size=100 * KIB):
    """A document with a picture."""
    _grow(fixtures / "python-docx.docx", to, "word/media/picture.jpeg", size)


def _grow(document, to, member, size):
    """A copy of a document of exactly `size` bytes, with one more part, stored and random."""
    empty = io.BytesIO()
    _copy(document, empty, member, 0)
    with open(to, "wb") as file:
        _copy(document, file, member, size - len(empty.getvalue()))
    assert to.stat().st_size == size


def _copy(document, to, member, size):
    extension = member.rpartition(".")[2]
    media = {"jpeg": "image/jpeg", "mp4": "video/mp4"}[extension]
    with zipfile.ZipFile(document) as source, zipfile.ZipFile(to, "w") as package:
        for part in source.infolist():
            content = source.read(part)
            named = f'Default Extension="{extension}"'
            if part.filename == "[Content_Types].xml" and named.encode() not in content:
                default = f'<{named} ContentType="{media}"/>'.encode()
                content = content.replace(b"<Default ", default + b"<Default ", 1)
            package.writestr(part, content)
        part = zipfile.ZipInfo(member, (2026, 1, 1, 0, 0, 0))
        # A compressed video: nothing in it repeats, and it is not compressed again.
        block = os.urandom(MIB)
        with package.open(part, "w") as stored:
            while size > 0:
                stored.write(block[:size])
                size -= len(block)


def form_head(name):
    """What comes before a file's bytes in a form."""
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()


FORM_TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def _form(document, to):
    with open(document, "rb") as source, open(to, "wb") as form:
        form.write(form_head(document.name))
        while block := source.read(MIB):
            form.write(block)
        form.write(FORM_TAIL)
