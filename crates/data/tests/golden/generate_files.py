"""Writes text files as users have them: the same text, in archives, compressions and encodings, by Python's own modules.

Run: python3 generate_files.py OUT_DIR
"""

import bz2
import gzip
import io
import lzma
import pathlib
import sys
import tarfile
import zipfile

TEXT = "one\ntwo wörds\nthree\n"

out = pathlib.Path(sys.argv[1])
plain = TEXT.encode()


def tar(mode):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode=mode) as files:
        info = tarfile.TarInfo("text.txt")
        info.size = len(plain)
        files.addfile(info, io.BytesIO(plain))
    return archive.getvalue()


def zipped():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr(zipfile.ZipInfo("text.txt", (1980, 1, 1, 0, 0, 0)), plain)
    return archive.getvalue()


half = len(plain) // 2
FILES = {
    "text.xz": lzma.compress(plain),
    "text-twice.xz": lzma.compress(plain[:half]) + lzma.compress(plain[half:]),
    "text.lzma": lzma.compress(plain, format=lzma.FORMAT_ALONE),
    "text.bz2": bz2.compress(plain),
    "text-twice.bz2": bz2.compress(plain[:half]) + bz2.compress(plain[half:]),
    "nothing.bz2": bz2.compress(b""),
    "text.tar": tar("w"),
    "text.tgz": gzip.compress(tar("w"), mtime=0),
    "text.tar.xz": lzma.compress(tar("w")),
    "text.zip": zipped(),
    "text-utf-16le": TEXT.encode("utf-16-le"),
    "text-utf-16be": TEXT.encode("utf-16-be"),
    "text-utf-32": "\ufeff".encode("utf-32-le") + TEXT.encode("utf-32-le"),
}
for name, data in FILES.items():
    (out / name).write_bytes(data)
