"""scikit-learn estimators: `HeadstartClassifier`, or in two parts `FeatureExtractor` and `HeadstartHead`.

This is the only room that imports scikit-learn, which comes with the extra `headstart[sklearn]`.
"""

from __future__ import annotations

from headstart.errors import MissingExtraError

try:
    import sklearn.base  # noqa: F401  (the other modules of this room import what they need)
except ImportError as error:
    raise MissingExtraError(
        f"headstart.sklearn needs scikit-learn, which cannot be imported: {error}.\n"
        "Install it: pip install 'headstart[sklearn]'"
    ) from error

from headstart.sklearn.photos import FeatureExtractor, HeadstartClassifier
from headstart.sklearn.vectors import HeadstartHead

__all__ = ["FeatureExtractor", "HeadstartClassifier", "HeadstartHead"]
