"""Addresses of pages about a model, as a browser shows them, and the handles of these models."""

from __future__ import annotations

import re
from urllib.parse import unquote


def handle_of(address: str) -> str:
    """The `kaggle:` or `hf:` handle of a model's page on kaggle.com or huggingface.co; other texts stay as they are.

    Addresses of files (`https://huggingface.co/owner/name/resolve/main/model.onnx`) are handles already.
    """
    match = re.match(r"https?://(?:www\.)?([^/?#]+)/([^?#]+)", address, re.IGNORECASE)
    if match is None:
        return address
    host, names = match[1].lower(), unquote(match[2]).strip("/").split("/")
    if host == "kaggle.com" and names[0] == "models" and len(names) > 2:
        owner, model, *rest = (name for name in names[1:] if name not in ("frameworks", "variations", "versions"))
        framework = [rest[0][:1].lower() + rest[0][1:]] if rest else []  # older pages write TensorFlow2
        return "kaggle:" + "/".join([owner, model, *framework, *rest[1:]])
    if host in ("huggingface.co", "hf.co") and len(names) >= 2:
        owner, name, *rest = names
        if not rest:
            return f"hf:{owner}/{name}"
        if rest[0] in ("tree", "blob") and len(rest) > 1:
            file = f":{'/'.join(rest[2:])}" if rest[0] == "blob" else ""
            return f"hf:{owner}/{name}@{rest[1]}{file}"
    return address
