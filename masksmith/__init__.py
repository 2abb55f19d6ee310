"""masksmith: data, priors, training and judgement for real-time segmentation of feet and people."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from masksmith.segmenter import Segmenter

__version__ = "0.1.0"
__all__ = ["Segmenter", "__version__"]


def __getattr__(name: str) -> Any:
    """The segmenter is loaded when it is first used: the front door imports nothing heavy."""
    if name == "Segmenter":
        from masksmith.segmenter import Segmenter

        return Segmenter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
