"""The few-shot tasks of the MAML paper: sinusoids, and N-way K-shot classification of Omniglot's drawings.

A stack holds T tasks side by side: inputs (T, B, ...), targets (T, B) or (T, B, 1).
"""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from data_prep.base.errors import InputError

# sha256 of the two small background splits of brendenlake/omniglot at commit 057f034
ARCHIVES = {
    "images_background_small1.zip": "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
    "images_background_small2.zip": "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f",
}
VALIDATION_ALPHABET = "Early_Aramaic"  # 22 characters of small1
DRAWINGS = 20  # drawings of each character
SIZE = 28  # pixels a side, as in the MAML paper


class Batch(NamedTuple):
    """A stack of inputs and targets.

    statistics: the number of first inputs on which alone batch normalisation collects its statistics. They have no
    targets. None: the statistics are of all inputs, and all have targets.
    """

    inputs: Tensor
    targets: Tensor
    statistics: int | None = None

    def normalised_by(self, support: Batch) -> Batch:
        """This batch, seen with the statistics of the support set."""
        return Batch(torch.cat((support.inputs, self.inputs), 1), self.targets, support.inputs.shape[1])


@dataclass(frozen=True)
class Sinusoids:
    """Tasks y = A sin(x - phase), A in [0.1, 5], phase in [0, pi], x in [-5, 5] (Finn et al. 2017, section 5.1)."""

    shots: int = 10
    queries: int = 10

    def draw(self, tasks: int, generator: torch.Generator) -> tuple[Batch, Batch]:
        """Support and query of T tasks, each input and target (T, B, 1)."""
        amplitude = 0.1 + 4.9 * torch.rand(tasks, 1, 1, generator=generator)
        phase = math.pi * torch.rand(tasks, 1, 1, generator=generator)
        x = 10 * torch.rand(tasks, self.shots + self.queries, 1, generator=generator) - 5
        y = amplitude * torch.sin(x - phase)
        return Batch(x[:, : self.shots], y[:, : self.shots]), Batch(x[:, self.shots :], y[:, self.shots :])


@dataclass(frozen=True)
class Characters:
    """N-way K-shot tasks over classes. images: (classes, drawings, 28, 28), ink 1 on 0."""

    images: Tensor
    ways: int = 5
    shots: int = 1
    queries: int = 5  # query drawings a class
    jitter: int = 0  # most pixels by which a drawing is moved at random, in both directions

    def draw(self, tasks: int, generator: torch.Generator) -> tuple[Batch, Batch]:
        """Support and query of T tasks, (T, N K, 28, 28) and (T, N queries, 28, 28); no drawing is in both."""
        classes, drawings = self.images.shape[:2]
        chosen = torch.rand(tasks, classes, generator=generator).topk(self.ways).indices  # (T, N)
        shown = torch.rand(tasks, self.ways, drawings, generator=generator).topk(self.shots + self.queries).indices
        images = moved(
            self.images[chosen[:, :, None], shown], self.jitter, generator
        )  # (T, N, shots + queries, 28, 28)
        labels = torch.arange(self.ways)[None, :, None].expand(shown.shape)
        support, query = slice(self.shots), slice(self.shots, None)
        return (
            Batch(images[:, :, support].flatten(1, 2), labels[:, :, support].flatten(1)),
            Batch(images[:, :, query].flatten(1, 2), labels[:, :, query].flatten(1)),
        )


def moved(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """The images (..., 28, 28), each moved at random by up to ``most`` pixels along both axes; new pixels are blank."""
    if not most:
        return images
    flat = F.pad(images.flatten(0, -3), [most] * 4)
    windows = flat.unfold(1, SIZE, 1).unfold(2, SIZE, 1)  # (images, 2 most + 1, 2 most + 1, 28, 28)
    rows, columns = torch.randint(2 * most + 1, (2, len(flat)), generator=generator)
    return windows[torch.arange(len(flat)), rows, columns].view_as(images)


def read_archive(folder: Path, name: str) -> dict[str, Tensor]:
    """The images (20, 28, 28) of each character of an archive, by "alphabet/character".

    Raises:
        InputError: the archive is missing or is not the one that the split is made of.
    """
    path = folder / name
    if not path.is_file():
        raise InputError(f"--data: must be a folder with Omniglot's {name} (brendenlake/omniglot), but is {folder}")
    content = path.read_bytes()
    if (digest := hashlib.sha256(content).hexdigest()) != ARCHIVES[name]:
        raise InputError(f"{path}: sha256 must be {ARCHIVES[name]}, but is {digest}")
    drawings: dict[str, list[Tensor]] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in sorted(n for n in archive.namelist() if n.endswith(".png")):
            image = Image.open(io.BytesIO(archive.read(member))).convert("L")
            ink = 1 - np.asarray(image.resize((SIZE, SIZE), Image.Resampling.LANCZOS), dtype=np.float32) / 255
            drawings.setdefault("/".join(member.split("/")[1:3]), []).append(torch.from_numpy(ink))
    return {character: torch.stack(images) for character, images in drawings.items()}


def turned_and_mirrored(images: Tensor) -> Tensor:
    """The classes eight times: turned by 0, 90, 180 and 270 degrees, and the mirror images of these."""
    turned = torch.cat([torch.rot90(images, quarter, (2, 3)) for quarter in range(4)])
    return torch.cat((turned, turned.flip(3)))


def read_omniglot(folder: Path) -> dict[str, Tensor]:
    """The images (classes, 20, 28, 28) of each side: train, valid and test.

    train: small1 without the validation alphabet, turned and mirrored (912 classes).
    valid: the validation alphabet (22 classes).
    test: the alphabets of small2 that small1 lacks (106 classes).

    Raises:
        InputError: an archive is missing or not the expected one.
    """
    small1, small2 = (read_archive(folder, name) for name in ARCHIVES)
    seen = {character.split("/")[0] for character in small1}
    valid = [images for character, images in small1.items() if character.split("/")[0] == VALIDATION_ALPHABET]
    train = [images for character, images in small1.items() if character.split("/")[0] != VALIDATION_ALPHABET]
    test = [images for character, images in small2.items() if character.split("/")[0] not in seen]
    return {"train": turned_and_mirrored(torch.stack(train)), "valid": torch.stack(valid), "test": torch.stack(test)}
