"""The names of a translator folder's files stand in one place."""

import json
import shutil
from pathlib import Path

import pytest
from spelled_names import spelled

from data_prep.base.errors import InputError
from meta_nmt import Translator
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


def made(path: Path, **record: object) -> TranslatorFolder:
    folder = TranslatorFolder(path)
    path.mkdir()
    folder.record.write_text(json.dumps({"format": 1, "source_lang": "qu", "target_lang": "en"} | record))
    folder.ctranslate2_model.mkdir()
    return folder


@pytest.mark.parametrize("code", ["../qu", "/etc", "", None, 3, "qu/x", "e\0n", "x" * 50])
def test_codes_that_are_none_are_refused(tmp_path, code):
    with pytest.raises(InputError, match="translator.json: 'source_lang' must be a language code"):
        made(tmp_path / "model", source_lang=code).read_record()


@pytest.mark.parametrize(
    "name", ["MODEL_CARD.md", "source.spm", "dict.qu.txt", "model.pt", "neighbours.json", "ctranslate2/model.bin"]
)
def test_links_out_of_a_strangers_folder_are_refused(tmp_path, name):
    (tmp_path / "id_rsa").write_text("secret")
    folder = made(tmp_path / "model")
    (folder.path / name).symlink_to(tmp_path / "id_rsa")
    with pytest.raises(InputError, match=f"{name}: must lie in .*, but is a link that leads out of it"):
        folder.read_record()


def test_a_model_that_is_a_link_is_not_walked_through(tmp_path):
    folder = made(tmp_path / "model")
    folder.ctranslate2_model.rmdir()
    folder.ctranslate2_model.symlink_to("/")
    with pytest.raises(InputError, match="ctranslate2: must lie in"):
        folder.read_record()


def test_a_card_is_text_or_refused(tmp_path):
    folder = made(tmp_path / "model")
    assert folder.read_card() == ""
    folder.card.write_text("fine")
    assert folder.read_card() == "fine"
    folder.card.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="MODEL_CARD.md: must be UTF-8 text"):
        folder.read_card()
    folder.card.write_bytes(b"x" * (1 << 20 | 1))
    with pytest.raises(InputError, match="must have at most 1048576 bytes"):
        folder.read_record()


@pytest.mark.parametrize("text", ["[]", '{"a": 3}', '{"a": [["b", NaN]]}', '{"a": [["b", "c"]]}', "3"])
def test_neighbours_of_another_form_are_refused(tmp_path, text):
    folder = made(tmp_path / "model")
    folder.neighbours.write_text(text)
    with pytest.raises(InputError, match="neighbours.json: must give"):
        folder.read_neighbours()


@pytest.mark.parametrize("name", ["source.spm", "target.spm", "neighbours.json", "ctranslate2/model.bin", "model.pt"])
def test_a_flipped_bit_is_found_before_a_library_reads_it(model, tmp_path, name):
    folder = tmp_path / "copy"
    shutil.copytree(model, folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    backend = "torch" if name == "model.pt" else "ctranslate2"
    with pytest.raises(InputError, match=f"{name}: must be as it was made, by its sha256"):
        Translator(folder, backend=backend)


def test_digests_are_of_plain_names_in_a_dictionary(model):
    with pytest.raises(InputError, match="sha256 of each file"):
        TranslatorFolder(model).check_digests({"files": ["source.spm"]})
