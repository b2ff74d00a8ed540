"""Loading translators, from a translator folder in five lines:

    from meta_nmt import Translator

    translator = Translator("models/qu-en")
    for line in translator.translate(["Wasiyman rini.", "Paqarin hamuy."]):
        print(line)

or from adapted checkpoints and the data folder that they were adapted on. `meta_nmt.Translator` is `load_folder`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.extras import need
from data_prep.packs import subwords
from meta_nmt.translation.backend import Backend
from meta_nmt.translation.translator import BEAM, MAX_PIECES, Translator, check_limits
from meta_nmt.translation.translator_folder import TranslatorFolder


def load_folder(
    folder: str | Path,
    *,
    backend: Literal["auto", "torch", "ctranslate2"] = "auto",
    beam: int = BEAM,
    max_pieces: int = MAX_PIECES,
    threads: int | None = None,
) -> Translator:
    """The translator of a translator folder.

    Args:
        folder: a folder made by meta-nmt-adapt or meta-nmt-export.
        backend: "torch", "ctranslate2", or "auto": CTranslate2 where the folder has it and it is installed. Without
            torch's, torch and fairseq are not loaded.
        beam: beam width, in hypotheses.
        max_pieces: longer lines are cut to so many pieces, with a warning.
        threads: threads of CTranslate2; by default OMP_NUM_THREADS, or else all cores. torch has its own setting.

    Raises:
        InputError: the folder is no translator, or is damaged.
    """
    check_limits(beam, max_pieces)
    place = TranslatorFolder(Path(folder))
    record = place.read_record()
    languages = record["source_lang"], record["target_lang"]
    place.check_digests(record, place.source_pieces, place.target_pieces, place.neighbours)
    return Translator(
        _load_backend(place, record, backend, languages, beam, threads), subwords.load(place.source_pieces),
        subwords.load(place.target_pieces), *languages, beam, max_pieces, place.read_neighbours(),
    )  # fmt: skip


def _load_backend(
    folder: TranslatorFolder,
    record: dict[str, Any],
    wanted: str,
    languages: tuple[str, str],
    beam: int,
    threads: int | None,
) -> Backend:
    """The wanted backend of a folder, loaded; "auto" is the faster one that the folder has."""
    places = {"ctranslate2": folder.ctranslate2_model, "torch": folder.torch_model}
    available = [name for name, place in places.items() if place.exists()]
    if wanted == "auto" and "torch" in available and find_spec("ctranslate2") is None:
        available = ["torch"]
    if not available or wanted not in ("auto", *available):
        needed = "a model" if wanted == "auto" else f"a model for {wanted} ({places[wanted].name})"
        raise InputError(f"{folder}: must have {needed}, but has {', '.join(available) or 'none'}")
    chosen = available[0] if wanted == "auto" else wanted
    folder.check_digests(record, places[chosen])
    if chosen == "ctranslate2":
        need("ctranslate2", "export", f"{folder.ctranslate2_model}")
        from meta_nmt.translation.ctranslate2_backend import (
            CTranslate2Backend,
        )  # some versions of ctranslate2 load torch

        return CTranslate2Backend.load(folder.ctranslate2_model, beam, threads)
    from meta_nmt.translation.torch_backend import TorchBackend  # this loads torch and fairseq

    return TorchBackend.load(folder, *languages, beam)


def load_checkpoints(
    data: str | Path,
    paths: str | Path | Sequence[str | Path],
    source_lang: str,
    target_lang: str = "en",
    *,
    beam: int = BEAM,
    max_pieces: int = MAX_PIECES,
) -> Translator:
    """The translator of an adapted checkpoint, or of several, and of the data folder that they were adapted on.

    Several checkpoints are an ensemble. InputError where a checkpoint or the data folder cannot be read.
    """
    from meta_nmt.translation.torch_backend import TorchBackend  # this loads torch and fairseq

    check_limits(beam, max_pieces)
    paths = [paths] if isinstance(paths, (str, Path)) else paths
    backend = TorchBackend.load_checkpoints(data, paths, source_lang, target_lang, beam)
    encoder, decoder = (subwords.load(DataFolder(data).pack(lang).model) for lang in (source_lang, target_lang))
    return Translator(backend, encoder, decoder, source_lang, target_lang, beam, max_pieces)
