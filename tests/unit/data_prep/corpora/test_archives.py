"""Unpacking archives of strangers: what is wanted comes out, and nothing is ever written elsewhere."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.base.errors import InputError
from data_prep.corpora import archives
from data_prep.corpora.archives import extract

Member = tuple[str, bytes, str]  # name, content, and what it is: file, link, hardlink, device, folder


def make_zip(path: Path, members: list[Member]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, what in members:
            info = zipfile.ZipInfo(name + "/" * (what == "folder"))
            kind = {"link": stat.S_IFLNK, "device": stat.S_IFCHR, "hardlink": stat.S_IFIFO}.get(what, 0)
            info.external_attr = (kind | 0o644) << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def make_tar(path: Path, members: list[Member]) -> Path:
    kinds = {"link": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE, "device": tarfile.CHRTYPE, "folder": tarfile.DIRTYPE}
    with tarfile.open(path, "w:gz") as archive:
        for name, content, what in members:
            info = tarfile.TarInfo(name)
            info.type = kinds.get(what, tarfile.REGTYPE)
            info.size = len(content) if what == "file" else 0
            info.linkname = content.decode() if "link" in what else ""
            archive.addfile(info, io.BytesIO(content))
    return path


Make = Callable[[Path, list[Member]], Path]
makers = pytest.mark.parametrize("make", [make_zip, make_tar])


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@makers
def test_wanted_members_come_out(tmp_path: Path, make: Make) -> None:
    archive = make(tmp_path / "a", [("d", b"", "folder"), ("d/x", b"1", "file"), ("y", b"2", "file")])
    paths = extract(archive, ["y", "d/x"], tmp_path / "out")
    assert [path.read_bytes() for path in paths] == [b"2", b"1"], "in the order that was asked for"
    assert extract(archive, ["y"], tmp_path / "out") == [tmp_path / "out/y"], "and again, into a new folder"
    assert everything(tmp_path) == {"a", "out", "out/y"}, "nothing else is written"


@makers
@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/../../x", "..\\x", "C:x", "C:\\x", ".."])
def test_no_member_may_lead_outside(tmp_path: Path, make: Make, name: str) -> None:
    archive = make(tmp_path / "a", [("good", b"1", "file"), (name, b"evil", "file")])
    with pytest.raises(InputError, match="a member must be a path inside the archive"):
        extract(archive, ["good"], tmp_path / "folder/out")
    with pytest.raises(InputError, match="a member must be a path inside the archive"):
        extract(archive, [name], tmp_path / "folder/out")
    assert everything(tmp_path) == {"a"}, "nothing was written"


@makers
@pytest.mark.parametrize("what", ["link", "hardlink", "device", "folder"])
def test_only_files_come_out(tmp_path: Path, make: Make, what: str) -> None:
    archive = make(tmp_path / "a", [("good", b"1", "file"), ("odd", b"/etc/passwd", what)])
    with pytest.raises(InputError, match="must be a file, but is a folder, a link or a device|must hold odd once"):
        extract(archive, ["good", "odd"], tmp_path / "out")
    assert everything(tmp_path) == {"a"}, "nothing was written"


@makers
def test_a_link_cannot_redirect_a_later_member(tmp_path: Path, make: Make) -> None:
    archive = make(tmp_path / "a", [("d", str(tmp_path).encode(), "link"), ("d/evil", b"1", "file")])
    assert extract(archive, ["d/evil"], tmp_path / "out")[0].read_bytes() == b"1"
    assert everything(tmp_path) == {"a", "out", "out/d", "out/d/evil"}, "the link itself was never made"


@makers
def test_bombs_are_refused_before_they_are_unpacked(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make(tmp_path / "a", [("x", b"\0" * 100_000, "file"), ("y", b"1", "file")])
    assert archive.stat().st_size < 2000, "it is small itself"
    with pytest.raises(InputError, match="must unpack to at most 99999 bytes"):
        extract(archive, ["y"], tmp_path / "out", limit=99_999)
    monkeypatch.setattr(archives, "MOST_MEMBERS", 1)
    with pytest.raises(InputError, match="must have at most 1 members"):
        extract(archive, ["y"], tmp_path / "out")
    assert everything(tmp_path) == {"a"}, "nothing was written"


def test_a_zip_that_lies_about_its_size_is_damaged(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a", [("x", b"\0" * 100_000, "file")])
    data = archive.read_bytes().replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    archive.write_bytes(data)
    with pytest.raises(InputError, match="must be a whole"):
        extract(archive, ["x"], tmp_path / "out")
    assert everything(tmp_path) == {"a"}, "nothing was written"


@makers
@pytest.mark.parametrize("name, times", [("absent", 0), ("twice", 2)])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_wanted_members_stand_once(tmp_path: Path, make: Make, name: str, times: int) -> None:
    archive = make(tmp_path / "a", [("twice", b"1", "file"), ("twice", b"2", "file")])
    with pytest.raises(InputError, match=f"must hold {name} once, but holds it {times} times"):
        extract(archive, [name], tmp_path / "out")


@makers
@pytest.mark.parametrize("cut", [40, 150])
def test_cut_archives(tmp_path: Path, make: Make, cut: int) -> None:
    whole = make(tmp_path / "a", [("x", bytes(range(256)) * 40, "file")]).read_bytes()
    (tmp_path / "a").write_bytes(whole[:-cut])
    with pytest.raises(InputError, match="must be a whole|must hold x once"):
        extract(tmp_path / "a", ["x"], tmp_path / "out")
    assert everything(tmp_path) == {"a"}, "nothing was written"


def test_what_is_no_archive(tmp_path: Path) -> None:
    for content in (b"", b"text\n", b"PK"):
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(InputError, match="must be a whole, unencrypted zip or tar file"):
            extract(tmp_path / "a", ["x"], tmp_path / "out")
    with pytest.raises(InputError, match="file is missing"):
        extract(tmp_path / "absent", ["x"], tmp_path / "out")
