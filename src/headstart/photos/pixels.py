"""An opened picture -> upright sRGB uint8 array in a `View`.

The order of steps saves time and memory: a JPEG is decoded at reduced size, and the picture is resized before it is
rotated and converted to sRGB.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from headstart.errors import PhotoError

Images = npt.NDArray[np.uint8]
Fit = Literal["squash", "crop", "pad"]
#: `stack`: several views at once, see `View`.
AnyFit = Fit | Literal["stack"]

#: Of the border that `pad` adds.
PAD_GREY = 127

#: Names of profiles that need no transform, in Latin-1 or in the UTF-16 of newer profiles.
_SRGB = (b"sRGB", "sRGB".encode("utf-16-be"))
#: Larger profiles are not kept in memory for the next photo.
_KEPT_PROFILE = 2**21
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class View:
    """How a photo is fitted to the model's input size.

    Attributes:
        height, width: pixels of the result.
        fit: `squash` takes the whole photo and ignores its aspect ratio (as Keras' `target_size` does), `crop`
            takes the centre, `pad` takes the whole photo and adds grey borders (127).
        fraction: `crop` only: share of the photo's shorter side that is kept, in (0, 1].
        parts: `stack` only: several views of the same photo, one below the other; what is left at the right of a
            narrower one is black.
    """

    height: int
    width: int
    fit: AnyFit = "squash"
    fraction: float = 1.0
    parts: tuple[View, ...] = ()

    @classmethod
    def stack(cls, views: Sequence[View]) -> View:
        """All these views of a photo in one picture; equal ones only once, and a single one as it is."""
        parts = tuple(dict.fromkeys(views))
        if len(parts) == 1:
            return parts[0]
        return cls(sum(part.height for part in parts), max(part.width for part in parts), "stack", parts=parts)

    @property
    def name(self) -> str:
        """How photos are fitted, for people: `squash`, or `squash + crop`."""
        return " + ".join(dict.fromkeys(part.fit for part in self.parts)) or self.fit

    @property
    def sizes(self) -> str:
        """Height and width, for people; of a stack those of its parts."""
        return " + ".join(dict.fromkeys(f"{part.height}×{part.width}" for part in self.parts or (self,)))

    def top(self, view: View) -> int:
        """The row in which one of the `parts` begins."""
        return sum(part.height for part in self.parts[: self.parts.index(view)])

    def part(self, pictures: Images, view: View) -> Images:
        """What one of the `parts`, or this view itself, shows in pictures, uint8 `(n, height, width, 3)`."""
        if view == self:
            return pictures
        top = self.top(view)
        return pictures[:, top : top + view.height, : view.width]

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold; `parts` only where there are some."""
        found = {**asdict(self), "parts": [part.to_json() for part in self.parts]}
        return found if self.parts else {name: value for name, value in found.items() if name != "parts"}


def reduce(image: ImageFile.ImageFile, view: View) -> None:
    """Set a JPEG to the smallest of the sizes 1/1, 1/2, 1/4, 1/8 that has a pixel for each pixel of the view."""
    if image.format != "JPEG":
        return
    width, height = image.size
    target = max(view.height, view.width)
    left = (min if view.fit == "crop" else max)(width, height) * (view.fraction if view.fit == "crop" else 1.0)
    if view.fit == "squash":
        left = min(width, height)
    factor = next((f for f in (8, 4, 2) if left / f >= target), 1)
    if factor > 1:
        image.draft(None, (max(width // factor, 1), max(height // factor, 1)))


def render(image: Image.Image, view: View, fill: bool = True) -> Images:
    """Decode a picture and fit it to the view; see `images.decode`.

    Raises:
        PhotoError: `unsupported format`, its pixels are not colours. Decoders may raise any other error.
    """
    image.load()
    orientation = _orientation(image)
    turned = orientation >= 5
    profile = image.info.get("icc_profile")
    plain = _resizable(image)
    small = _fit(plain, view, (view.height, view.width) if turned else (view.width, view.height))
    rgb = _to_srgb(small, profile)
    if orientation in _TRANSPOSE:
        rgb = rgb.transpose(_TRANSPOSE[orientation])
    if view.fit == "pad" and fill:  # last, so that no profile changes the grey and no rotation moves an odd pixel
        canvas = Image.new("RGB", (view.width, view.height), (PAD_GREY, PAD_GREY, PAD_GREY))
        canvas.paste(rgb, ((view.width - rgb.width) // 2, (view.height - rgb.height) // 2))
        rgb = canvas
    return np.array(rgb, dtype=np.uint8)


def stacked(pictures: Sequence[Images], view: View) -> Images:
    """Pictures of the parts of a `stack` as one."""
    canvas = np.zeros((view.height, view.width, 3), np.uint8)
    top = 0
    for picture in pictures:
        height, width = picture.shape[:2]
        canvas[top : top + height, :width] = picture
        top += height
    return canvas


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8; anything else (0 is frequent) and unreadable EXIF count as upright."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a photo with damaged EXIF is still usable
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _resizable(image: Image.Image) -> Image.Image:
    """Convert to a mode in which neighbouring pixels can be averaged: L, RGB, RGBA or CMYK."""
    mode = image.mode
    if mode in {"LA", "PA", "La", "RGBa"} or (mode in {"1", "L", "P", "RGB"} and "transparency" in image.info):
        return image.convert("RGBA")
    if mode in {"L", "RGB", "RGBA", "CMYK"}:
        return image
    if mode == "1":
        return image.convert("L")
    if mode == "I" or mode.startswith("I;16"):
        # 16 bits per sample; Pillow's own conversion would clip everything above 255.
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise PhotoError("unsupported format", "pixels are whole numbers of more than 16 bits")
        return Image.fromarray((values // 256).astype(np.uint8))
    if mode == "F":
        raise PhotoError("unsupported format", "pixels are floating point numbers of unknown range")
    if mode == "LAB":
        raise PhotoError("unsupported format", "pixels are L*a*b* colours")
    return image.convert("RGB")


def _fit(image: Image.Image, view: View, size: tuple[int, int]) -> Image.Image:
    """Resize to `size` (width, height), or for `pad` to fit inside it; the picture is not yet rotated."""
    width, height = image.size
    if view.fit == "squash":
        return _resize(image, size, (0, 0, width, height))
    if view.fit == "crop":
        scale = min(width / size[0], height / size[1]) * view.fraction
        w, h = size[0] * scale, size[1] * scale
        left, top = (width - w) / 2, (height - h) / 2
        return _resize(image, size, (left, top, left + w, top + h))
    scale = min(size[0] / width, size[1] / height)
    inner = (max(round(width * scale), 1), max(round(height * scale), 1))
    return _resize(image, inner, (0, 0, width, height))


def _resize(image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]) -> Image.Image:
    """Antialiased bicubic; pictures more than three times too large are first reduced by an integer factor."""
    return image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image).convert("RGB")
    if profile and not any(name in profile for name in _SRGB):
        find = _transform if len(profile) <= _KEPT_PROFILE else _transform.__wrapped__
        transform = find(profile, image.mode)
        if transform is not None:
            converted: Image.Image | None = transform.apply(image)
            if converted is not None:
                return converted
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> Any:
    """The colour transform from an ICC profile to sRGB, or None if the profile does not fit the picture."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (OSError, ImageCms.PyCMSError, ValueError):
        return None
