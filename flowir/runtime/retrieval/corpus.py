"""A folder of text files as documents."""

from __future__ import annotations

from pathlib import Path

from flowir.errors import RetrievalError
from flowir.runtime.retrieval.values import Document

SUFFIXES = (".md", ".txt")


def read_corpus(folder: str | Path) -> list[Document]:
    """The `.txt` and `.md` files of a folder and the folders in it, by name.

    Raises:
        RetrievalError: no such folder, no such file in it, or one that is empty or not UTF-8.
    """
    root = Path(folder)
    if not root.is_dir():
        raise RetrievalError(f"{root}: no such folder; give one that holds .txt or .md files")
    paths = sorted(
        (path for path in root.rglob("*") if path.suffix in SUFFIXES and path.is_file()),
        key=lambda path: path.relative_to(root).as_posix(),
    )
    if not paths:
        raise RetrievalError(f"{root}: no document; put .txt or .md files there")
    return [Document(path.relative_to(root).as_posix(), _text(path)) for path in paths]


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise RetrievalError(f"{path}: not UTF-8 ({error.reason}); convert it") from None
    except OSError as error:
        raise RetrievalError(f"{path}: cannot be read ({error.strerror})") from None
    if not text:
        raise RetrievalError(f"{path}: empty; write something in it, or remove it")
    return text
