"""The names of a translator folder's files stand in one place."""

from pathlib import Path

from spelled_names import spelled

from meta_nmt.translation.translator_folder import TranslatorFolder

FOLDER = TranslatorFolder(Path("models/qu-en"))
FILES = (
    FOLDER.record,
    FOLDER.source_pieces,
    FOLDER.target_pieces,
    FOLDER.torch_model,
    FOLDER.neighbours,
    FOLDER.unfinished,
)
NAMES = (*(path.name for path in FILES), "dict.")  # `ctranslate2` names a package and a backend, too


def test_no_other_file_spells_them():
    assert spelled(NAMES) == {(name, "translation/translator_folder.py") for name in NAMES}


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    folder = TranslatorFolder(tmp_path / "absent")
    assert folder.read_neighbours() == {} and not folder.path.exists()
    assert folder.dictionary("qu") == tmp_path / "absent/dict.qu.txt"
