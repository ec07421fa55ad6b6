"""Runs the ONNX file of a found network, with the metadata in the file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import isclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state

from ldnas.data.dataset import Image
from ldnas.data.framing import Preprocessing, frame
from ldnas.errors import InvalidReferenceError
from ldnas.export.description import INPUT_NAME, OUTPUT_NAME
from service.client.errors import UnusableNetworkError

# ONNX Runtime has one exception class for each state, without a common base.
_RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    *(state for state in vars(onnxruntime_pybind11_state).values() if isclass(state) and issubclass(state, Exception)),
    RuntimeError,
    ValueError,
)
# Log level of ONNX Runtime: fatal errors only; others are raised as exceptions.
_SILENT = 4


@dataclass(frozen=True)
class Classifier:
    """A network that can classify.

    Attributes:
        class_names: output i of the network belongs to class i.
        preprocessing: the steps from a decoded image to the network's input.
    """

    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    _session: onnxruntime.InferenceSession

    def prepared(self, image: Image) -> Image:
        """Fits an image of `read_image` into the network's square: uint8 `[3, S, S]`."""
        size = self.preprocessing.image_size
        target = np.zeros((3, size, size), dtype=np.uint8)
        frame(image, self.preprocessing, target)
        return target

    def probabilities(self, prepared: Sequence[Image]) -> NDArray[np.float64]:
        """The probability of each class for each prepared image, `[N, classes]`, rows adding up to 1.

        Raises:
            UnusableNetworkError: the network does not accept the images, or its output has another shape.
        """
        # As in training: x / 127.5 - 1 in float32.
        inputs = np.stack(prepared).astype(np.float32) / np.float32(127.5) - np.float32(1)
        try:
            (logits,) = self._session.run([OUTPUT_NAME], {INPUT_NAME: inputs})
        except _RUNTIME_ERRORS as error:
            raise UnusableNetworkError(f"the network does not accept these images: {_reason(error)}") from error
        if logits.shape != (len(prepared), len(self.class_names)):
            raise UnusableNetworkError(f"the network's output for {len(prepared)} images has shape {logits.shape}")
        return _softmax(logits.astype(np.float64))


def open_classifier(file: Path) -> Classifier:
    """Opens the network of an ONNX file that ldnas exported.

    Raises:
        OSError: the file cannot be read.
        UnusableNetworkError: it is not an ONNX file, or not one of ldnas, or its preprocessing is unknown.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    try:
        # From bytes, not by its path: the file then cannot make the runtime read other files.
        session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
    except _RUNTIME_ERRORS as error:
        raise UnusableNetworkError(f"{file} is not a readable ONNX network: {_reason(error)}") from error
    metadata = session.get_modelmeta().custom_metadata_map
    names = _names(metadata, file)
    return Classifier(names, _preprocessing(metadata, file), session)


def _names(metadata: Mapping[str, str], file: Path) -> tuple[str, ...]:
    names = _json(metadata.get("class_names"))
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UnusableNetworkError(
            f"{file} has no class names; use a network.onnx that ldnas architecture export wrote"
        )
    for index, name in enumerate(names):
        if (first := names.index(name)) != index:
            raise UnusableNetworkError(
                f"{file} has two classes called {name!r}, outputs {first} and {index}; train it again from data whose "
                "classes have different names"
            )
    return tuple(names)


def _preprocessing(metadata: Mapping[str, str], file: Path) -> Preprocessing:
    try:
        return Preprocessing.from_json(_json(metadata.get("preprocessing")))
    except (ValueError, InvalidReferenceError) as error:
        raise UnusableNetworkError(f"{file}: {error}") from error


def _json(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except ValueError:
        return None


def _reason(error: Exception) -> str:
    """The last part of `[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Failed to …`."""
    return (str(error) or type(error).__name__).splitlines()[0].rpartition(" : ")[2]


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers: NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers
