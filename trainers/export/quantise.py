"""Convolutions in 8 bits: static, calibrated on pictures, one scale a channel for weights.

Whether that is any faster depends on the runtime and the processor: measure it (`masksmith bench speed`).
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from masksmith.errors import EnvironmentFault
from masksmith.exported import Model
from trainers.export.checking import Sample


def quantise(graph: Any, model: Model, samples: Sequence[Sample]) -> Any:
    """An ONNX graph of fixed size with the inputs and weights of its convolutions in 8 bits.

    Args:
        graph: an ``onnx.ModelProto`` in 32 bits.
        model: the same, opened: makes the inputs.
        samples: what is calibrated on; every second one gets the mask of the one before as the prior.

    Raises:
        EnvironmentFault: onnxruntime or onnx is not installed.
    """
    try:
        import onnx
        from onnxruntime import quantization
    except ImportError:
        raise EnvironmentFault("onnx and onnxruntime are needed; pip install 'masksmith[export]'") from None
    given = _inputs(model, samples)

    class Reader(quantization.CalibrationDataReader):
        def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
            return next(given, None)

    with tempfile.TemporaryDirectory() as folder, _still():
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(graph.SerializeToString(deterministic=True))
        quantization.quantize_static(
            str(source),
            str(target),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=["Conv"],
            # what comes out of a convolution goes into an activation: quantised there, runtimes could not join the two
            extra_options={"OpTypesToExcludeOutputQuantization": ["Conv"], "DedicatedQDQPair": True},
        )
        made = onnx.load(str(target))
    del made.metadata_props[:]
    made.metadata_props.extend(graph.metadata_props)
    made.producer_name, made.producer_version = "masksmith", ""
    return made


def _inputs(model: Model, samples: Sequence[Sample]) -> Iterator[dict[str, npt.NDArray[Any]]]:
    before: npt.NDArray[np.float32] | None = None
    for number, sample in enumerate(samples):
        image = model.prepare(sample.image)
        prior = model.prepare_prior(before if number % 2 else None) if model.prior else None
        feed = model.feed(image, prior)
        yield {entry.name: value for entry, value in zip(model.inputs, feed, strict=True)}
        before = model.run(image, prior)


@contextlib.contextmanager
def _still() -> Iterator[None]:
    """The quantiser advises through the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
