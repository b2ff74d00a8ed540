"""Downloads: one file by its URL, in as many attempts as it takes, and never spliced from two versions of it.

An interrupted download goes on where it stopped (HTTP ranges), if the server says that the file is still the same. What
is here of it lies in ``<name>.part``, and in ``<name>.part.tag`` which version it is of.
"""

import http.client
import re
import ssl
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from tqdm import tqdm

from data_prep.base.errors import InputError
from data_prep.base.files import read_json, sha256, write_json
from data_prep.corpora import archives

TRIES = 5  # attempts in a row that brought fewer than LEAST_GAIN bytes, after which a download fails
LEAST_GAIN = 1 << 16
MOST_ATTEMPTS, MOST_S = 1_000, 24 * 3600  # attempts at a file, and seconds
PATIENCE_S, SLOWEST = 120, 1_000  # after so many seconds an answer must have had so many bytes a second
PAUSE = 1.0  # seconds to wait after a failed attempt; doubled with each in a row that brought little
TIMEOUT = 60  # seconds without an answer
BLOCK = 1 << 20  # bytes written at once
BUSY = (408, 425, 429, 500, 502, 503, 504)  # HTTP statuses after which another attempt may succeed
BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)


def download(url: str, target: Path, digest: str = "", limit: int = archives.LIMIT) -> None:
    """Download a URL to ``target``; an earlier attempt is continued from ``target``.part.

    An attempt goes on only in the version of the file that the first one began: the server must name it by the same
    validator and the same total. Where it names none, only ``digest`` can show that two parts belong together.

    InputError if the file cannot be had, has more than ``limit`` bytes or not the sha256 ``digest``. A file with a
    wrong sha256 is removed.
    """
    if digest and target.is_file() and sha256(target) == digest:
        return
    file, tag = (target.with_name(target.name + ending) for ending in (".part", ".part.tag"))
    part = PartOfFile(url, file, tag, limit, bool(digest))
    if not part.goes_on():
        part.drop()  # nothing would show whether the rest belongs to the same file
    resumed = part.file.is_file()
    part.fetch()
    if resumed and digest and sha256(part.file) != digest:  # the server's file has changed since the download began
        part.drop()
        part.fetch()
    part_digest = sha256(part.file)
    part.tag.unlink(missing_ok=True)
    if digest and part_digest != digest:
        part.file.unlink()
        check_digest(url, part_digest, digest)
    part.file.replace(target)


@dataclass(frozen=True)
class Version:
    """What a server says of the version of a file: its validator, "" if it has none; its bytes, None if not known."""

    validator: str = ""
    total: int | None = None


@dataclass(frozen=True)
class PartOfFile:
    """The part of a download that is here: ``file``, and beside it in ``tag`` the version of which it is a part.

    hashed: whether a sha256 will tell in the end if the parts are of one version.
    """

    url: str
    file: Path
    tag: Path
    limit: int
    hashed: bool

    @property
    def size(self) -> int:
        """The bytes that are here."""
        return self.file.stat().st_size if self.file.is_file() else 0

    @property
    def version(self) -> Version:
        """The version that the part is of; without a validator or a total where these are not known."""
        try:
            kept = read_json(self.tag)
            return Version(str(kept["validator"]), None if kept["total"] is None else int(kept["total"]))
        except (OSError, InputError, KeyError, TypeError, ValueError, OverflowError):
            return Version()  # absent, or of an earlier release

    def goes_on(self) -> bool:
        """Whether a rest can be put behind the part."""
        return self.size > 0 and (self.hashed or bool(self.version.validator))

    def drop(self) -> None:
        """Remove the part: the next attempt starts with the first byte."""
        self.file.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)

    def fetch(self) -> None:
        """Attempt a download until all of it is here; each attempt goes on where the last one stopped.

        After TRIES attempts in a row that brought little, MOST_ATTEMPTS in all, or MOST_S seconds: InputError.
        """
        failures, farthest, until = 0, self.size, time.monotonic() + MOST_S
        for attempt in range(1, MOST_ATTEMPTS + 1):
            try:
                if not self.goes_on():
                    self.drop()
                self._attempt(until)
                return
            except BROKEN as error:
                failures = 0 if self.size >= farthest + LEAST_GAIN else failures + 1
                farthest = max(farthest, self.size)
                ended = failures == TRIES or attempt == MOST_ATTEMPTS or time.monotonic() > until
                if ended or urlsplit(self.url).scheme == "file":
                    to_resume = f"; {self.size} bytes are here, run again to go on" if self.goes_on() else ""
                    reason = getattr(error, "reason", "") or error or type(error).__name__
                    raise InputError(f"{self.url}: cannot be had: {reason}{to_resume}") from error
                time.sleep(PAUSE * 2**failures)

    def _attempt(self, until: float) -> None:
        """Request the URL once and append the answer to the part.

        Raises one of BROKEN if the connection ends before the file does, or after ``until`` (time.monotonic()).
        InputError if another request would not help.
        """
        start, version = self.size, self.version
        headers = {"User-Agent": "meta-nmt", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if version.validator:
                headers["If-Range"] = version.validator
        try:
            response = urllib.request.urlopen(urllib.request.Request(self.url, headers=headers), timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code == 416 and start:  # the part is complete, or belongs to another file
                of_file = error.headers.get("Content-Range", "").rpartition("/")[2]
                if of_file == str(start) and (self.hashed or version.total == start):
                    return
                self._begin_again("the file was changed since its download was begun")
            if error.code in BUSY:
                raise ConnectionError(f"answer {error.code} {error.reason}") from error
            raise InputError(f"{self.url}: cannot be had: answer {error.code} {error.reason}") from error
        with response:
            if response.status == 206:
                answered = Version(_validator(response.headers), _total_of_range(response.headers, start))
                if answered.total is None:
                    self._begin_again("the server sent another part than it was asked for")
                known = answered.total == (version.total or answered.total) and answered.validator == version.validator
                if not known and not self.hashed:
                    self._begin_again("the file was changed since its download was begun")
            else:  # the whole file: a file: URL (no status), or a server without ranges
                start, length = 0, response.headers.get("Content-Length") or ""
                total = int(length) if re.fullmatch(r"\d{1,18}", length) else None
                answered = Version(_validator(response.headers), total)
            if answered.total and answered.total > self.limit:
                raise _too_large(self.url, self.limit)
            write_json(self.tag, asdict(answered))
            self._append(response, start, answered.total, until)
        if answered.total is not None and self.size != answered.total:
            raise ConnectionError(f"the connection ended after {self.size} of {answered.total} bytes")

    def _append(self, response: Any, start: int, total: int | None, until: float) -> None:
        """Write an answer behind the first ``start`` bytes of the part, as long as it comes fast enough."""
        begun = time.monotonic()
        bar = tqdm(
            desc=self.file.stem, total=total, initial=start, unit="B", unit_scale=True, file=sys.stderr, disable=None
        )
        with open(self.file, "ab" if start else "wb") as file, bar:
            while block := response.read1(BLOCK):  # what has come, and not BLOCK bytes however long they take
                file.write(block)
                bar.update(len(block))
                if file.tell() > self.limit:
                    raise _too_large(self.url, self.limit)
                now = time.monotonic()
                if now > until or (now - begun > PATIENCE_S and (file.tell() - start) / (now - begun) < SLOWEST):
                    raise ConnectionError(f"it comes too slowly: {file.tell() - start} bytes in {now - begun:.0f} s")

    def _begin_again(self, reason: str) -> NoReturn:
        self.drop()
        raise ConnectionError(reason)


def _total_of_range(headers: Any, start: int) -> int | None:
    """The bytes of the whole file by the headers of a part that begins at ``start``; None for any other part."""
    match = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", headers.get("Content-Range", "").strip())
    first, last, total = map(int, match.groups()) if match else (-1, 0, 0)
    return total if start == first <= last < total else None


def _validator(headers: Any) -> str:
    """The server's identifier of this version of the file; "" where there is none that tells every change."""
    tag = headers.get("ETag", "")
    return str(tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", ""))


def _too_large(url: str, limit: int) -> InputError:
    return InputError(f"{url}: must have at most {limit} bytes (--max-gib), but has more")


def check_digest(name: str, digest: str, wanted: str) -> None:
    """InputError, with ``name``, where a file's sha256 is not the wanted one; "" wants none."""
    if wanted and digest != wanted:
        raise InputError(f"{name}: must have sha256 {wanted}, but has {digest}")
